// The life of domains on a simulated host: what libxl and xl do on a real one, through the same
// libxenctrl, so that faults hit it too.
#pragma once

#include <functional>

#include "restore/guest_state.h"
#include "sim/machine/host.h"
#include "xen/hypervisor.h"
#include "xen/lifecycle.h"

namespace ferry::sim {

// What a guest does when its toolstack wants something of it. A guest without a kernel of its own
// gets scratch_guests().
struct GuestHooks {
  std::function<void(domid_t)> asked_to_suspend;  // suspends itself, or does not
  std::function<bool(domid_t)>
      suspends_late;  // its toolstack waits for it; false: no end of it; or empty
  std::function<void(domid_t)> resumed;  // its suspension was cancelled
};

// Guests that suspend at once and do nothing else.
GuestHooks scratch_guests(Host& host);

class SimLifecycle : public Lifecycle {
 public:
  // xen is open on host (sim/seam/binding.h); both outlive this.
  SimLifecycle(Host& host, const Hypervisor& xen, GuestHooks guests)
      : host_(host), xen_(xen), guests_(std::move(guests)) {}

  std::optional<domid_t> find_if_there(const std::string& name_or_id) override;
  std::string name(domid_t domid) override;
  std::vector<DomainHere> with_uuid(const std::string& uuid) override;
  std::string config_json(domid_t domid) override;
  void suspend(domid_t domid) override;
  bool withdraw_suspend(domid_t domid) override;
  void resume(domid_t domid) override;
  void pause(domid_t domid) override;
  void resume_paused(domid_t domid) override;
  void destroy(domid_t domid) override;
  void rename(domid_t domid, const std::string& name) override;
  void unpause(domid_t domid) override;

  // What xl does and `ferry save` does not need.

  // A paused domain without memory, with its event channels, as config_json() describes it; name:
  // instead of the one there. Throws Error; then there is none, or Error(needs_operator) names it.
  RestoreTarget create(const std::string& config_json, const std::string& name = {});
  // Removes a domain that never became a guest. Throws Error(needs_operator).
  virtual void discard(domid_t domid);

 private:
  void set_name(domid_t domid, const std::string& name);

  Host& host_;
  const Hypervisor& xen_;
  GuestHooks guests_;
};

}  // namespace ferry::sim
