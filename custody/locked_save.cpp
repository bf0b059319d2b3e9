// A save under the domain's lock, with a note of the suspension.
#include "custody/locked_save.h"

#include "custody/domain_lock.h"
#include "custody/suspend_mark.h"

namespace ferry {

SaveResult save_domain_locked(const Hypervisor& xen, domid_t domid, ByteSink& sink,
                              Executor& executor, const SaveOptions& options,
                              const SaveCallbacks& callbacks, const std::function<void()>& sync) {
  const DomainLock lock(domid);
  SaveCallbacks noted = callbacks;
  noted.suspend = [&] {
    leave_suspend_mark(domid, get_domain(xen, domid).uuid);
    callbacks.suspend();
  };
  const SaveResult result = save_domain(xen, domid, sink, executor, options, noted);
  sync();
  return result;
}

}  // namespace ferry
