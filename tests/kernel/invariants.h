// What has to be true of a PV guest at any moment, whatever its kernel did: looked up in the
// machine's own frames, page types and M2P, not in what the guest believes.
#pragma once

#include <string>
#include <vector>

#include "sim/kernel/sim_kernel.h"

namespace ferry::sim {

// Between two steps. Empty, or at most 20 sentences.
std::vector<std::string> broken_invariants(SimKernel& kernel);

// While the domain is shut down for a suspend: it can be saved.
std::vector<std::string> broken_at_suspend(SimKernel& kernel);

// The published p2m from one moment to the next. Sentences are empty if nothing is wrong.
class P2mWatch {
 public:
  explicit P2mWatch(SimKernel& kernel);

  // After any single hypercall, in the middle of whatever the kernel does: no plain entry names a
  // frame of others.
  std::string after_hypercall() const;
  // The generation went up by two at least for each change of the mapping, and for nothing else.
  std::string after_step();

 private:
  uint64_t generation() const;

  Host& host_;
  Domain& domain_;
  std::vector<uint64_t> leaves_;
  uint64_t generation_;
};

// All there is of a guest but its kernel's variables: equal before a suspend that is cancelled and
// after it.
class GuestTrace {
 public:
  explicit GuestTrace(SimKernel& kernel);
  bool operator==(const GuestTrace&) const = default;

 private:
  std::vector<uint64_t> values_;
};

}  // namespace ferry::sim
