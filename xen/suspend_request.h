// The request to suspend that libxl leaves for a guest in xenstore, for when nobody is left to
// follow it up.
#pragma once

#include <functional>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// SuspendUndo::withdraw_suspend(). ended: true once the guest does not run any more.
bool withdraw_suspend_request(domid_t domid, const std::function<bool()>& ended);

// Over Xen and xenstore alone.
class SuspendUndoWithoutLibxl final : public SuspendUndo {
 public:
  explicit SuspendUndoWithoutLibxl(const Hypervisor& xen) : xen_(xen) {}
  bool withdraw_suspend(domid_t domid) override;
  // Throws Error(internal) if the guest runs but xenstored could not be told.
  void resume(domid_t domid) override;
  void pause(domid_t domid) override { pause_domain(xen_, domid); }

 private:
  const Hypervisor& xen_;
};

// What the guest has left in xenstore. A xenstored that does not answer is as silent.
SuspendWord word_on_suspend(domid_t domid);
// In the name of a guest that was just restored: it has suspended before, and says so only when it
// boots. Nothing depends on whether it works.
void say_it_can_suspend(domid_t domid) noexcept;

}  // namespace ferry
