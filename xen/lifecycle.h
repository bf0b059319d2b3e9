// The life of a domain as libxl looks after it: names, configuration, suspend, resume, destroy.
// The memory engine never sees this.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "p2m/frames.h"

namespace ferry {

class Lifecycle {
 public:
  // Throws Error(no_xen).
  Lifecycle();
  ~Lifecycle();
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  // A name or a number. Throws Error(no_domain).
  domid_t find(const std::string& name_or_id);
  std::string name(domid_t domid);

  // The running domain with this uuid (16 bytes), if there is one.
  std::optional<domid_t> find_uuid(const std::string& uuid);

  // libxl_domain_config_to_json() of what would be needed to create it again. Throws.
  std::string config_json(domid_t domid);

  // Asks the guest and waits until it is suspended. Throws Error(guest).
  void suspend(domid_t domid);
  // A suspended guest goes on where it was, its suspension cancelled. Throws Error(needs_operator).
  void resume(domid_t domid);
  // Resumes it, but keeps its vCPUs paused.
  void resume_paused(domid_t domid);
  void destroy(domid_t domid);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
