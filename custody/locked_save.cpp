// A save of a guest in custody.
#include "custody/locked_save.h"

namespace ferry {

SaveResult save_domain_locked(GuestCustody& guest, ByteSink& sink, Executor& executor,
                              const SaveOptions& options, const SaveCallbacks& callbacks,
                              const std::function<void()>& sync) {
  guest.reading();
  SaveCallbacks noted = callbacks;
  noted.suspend = [&] {
    guest.about_to_suspend();
    callbacks.suspend();
    guest.has_suspended();
  };
  const SaveResult result = save_domain(guest.xen(), guest.domid(), sink, executor, options, noted);
  sync();
  guest.check_untouched();
  return result;
}

}  // namespace ferry
