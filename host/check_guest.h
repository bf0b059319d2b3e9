// Looks a guest over without touching it: what would stop a save or a migration, and how long one
// would take.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "save/live/live_options.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry::host {

struct CheckResult {
  domid_t domid{};
  std::string name;
  uint64_t guest_bytes = 0;
  std::vector<std::string> blockers;  // each stops a save
  std::vector<std::string> notes;     // good to know
  bool under_way = false;             // it is suspended, and somebody is at work on it
};

// Throws Error(no_domain), Error(no_xen).
CheckResult check_guest(const Hypervisor& xen, Lifecycle& life, const std::string& domain);

// Of a suspended guest that refuse_claimed() lets go: what it is, the images that it may have been
// restored from, and the command for the operator.
std::string suspended_by_broken_save(const DomainInfo& domain);

struct EstimateRequest {
  std::string domain;
  uint64_t bytes_per_second = 0;  // of the connection; 0: as fast as pages can be read
  PolicyOptions policy;
};

struct Estimate {
  std::string name;
  uint64_t guest_bytes = 0, image_bytes = 0;
  uint32_t rounds = 0;
  uint64_t seconds_ms = 0;              // until the guest would be suspended
  uint64_t dirty_bytes_per_second = 0;  // in the last round
  Prediction downtime;
  bool stalled = false;
};

// A live save to nowhere that ends before the guest is asked to suspend. Throws Error.
Estimate estimate_guest(const Hypervisor& xen, Lifecycle& life, Executor& executor,
                        const EstimateRequest& request);

}  // namespace ferry::host
