// The engine in this process.
#include "host/engine_here.h"

#include "custody/locked_save.h"
#include "error/error.h"

namespace ferry::host {

SaveEngine engine_here(const Hypervisor& xen, Executor& executor, const SaveOptions& base) {
  return [&xen, &executor, base](domid_t domid, int fd, const EngineOptions& given,
                                 const EngineCallbacks& callbacks) {
    // Its guests stand still while the engine has the machine.
    if (given.live)
      fail(Errc::unsupported,
           "guests of a simulated host stand still while they are saved: save it without --live");
    FdSink sink(fd, "the image");
    SaveOptions options = base;
    if (const auto level = given.settings.find<"level">()) options.level = static_cast<int>(*level);
    options.config.emplace().ParseFromString(given.config);
    SaveCallbacks own;
    own.suspend = [&] {
      if (!callbacks.suspend())
        fail(Errc::guest, "domain {} was asked to suspend and would not", raw(domid));
    };
    own.progress = [&](const Progress& p) {
      if (callbacks.progress) callbacks.progress(p.what, p.pages_done, p.pages_total);
    };
    save_domain_locked(xen, domid, sink, executor, options, own, [] {});
  };
}

}  // namespace ferry::host
