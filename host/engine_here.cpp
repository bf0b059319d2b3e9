// The engine in this process.
#include "host/engine_here.h"

#include <fcntl.h>

#include "base_pages/base_pages.h"
#include "custody/locked_save.h"
#include "error/error.h"
#include "host/room.h"
#include "host/stop_signals.h"
#include "host/stoppable_stream.h"
#include "io/block_device.h"
#include "io/uncached_sink.h"
#include "xen/suspend_request.h"

namespace ferry::host {
namespace {

// Its caller's, or one of its own.
DomainLock lock_of(domid_t domid, const EngineOptions& given) {
  if (!given.lock) return DomainLock(domid);
  return DomainLock::adopt(domid, fcntl(*given.lock, F_DUPFD_CLOEXEC, 0));
}

void save_here(const Hypervisor& xen, Executor& executor, const SaveOptions& base, domid_t domid,
               int fd, ByteSink& stream, const EngineOptions& given,
               const EngineCallbacks& callbacks, const StopFlag* stop) {
  // Its guests stand still while the engine has the machine.
  if (given.live)
    fail(Errc::unsupported,
         "guests of a simulated host stand still while they are saved: save it without --live");
  SaveOptions options = base;
  if (const auto level = given.settings.find<"level">()) options.level = *level;
  options.config.emplace().ParseFromString(given.config);
  std::optional<BasePages> base_pages;
  if (given.base) options.base = &base_pages.emplace(BasePages::adopt(*given.base));
  std::optional<BasePages> page_hashes;
  if (given.page_hashes)
    options.page_hashes = &page_hashes.emplace(BasePages::fill(*given.page_hashes));
  SaveCallbacks own;
  own.suspend = [&] {
    if (!callbacks.suspend())
      fail(Errc::guest, "domain {} was asked to suspend and would not", raw(domid));
  };
  own.suspends_paused = true;
  own.progress = [&](const Progress& p) {
    if (callbacks.progress) callbacks.progress(p.what, p.pages_done, p.pages_total);
  };
  own.stop = stop;
  SuspendUndoWithoutLibxl undo(xen);
  GuestCustody guest(xen, undo, domid, lock_of(domid, given));
  std::optional<DeviceSink> device;
  if (device_bytes(fd)) {
    device.emplace(stream, fd);  // whose head our caller turns back
    own.check_room = [fd](uint64_t least, uint64_t) { check_room_for_image(fd, least); };
  }
  std::optional<UncachedSink> uncached;
  if (is_regular_file(fd)) uncached.emplace(stream, fd);
  ByteSink& sink = device     ? static_cast<ByteSink&>(*device)
                   : uncached ? static_cast<ByteSink&>(*uncached)
                              : stream;
  save_domain_locked(guest, sink, executor, options, own, [&] {
    if (uncached) uncached->finish();  // whoever gives the file its name syncs it
  });
}

}  // namespace

SaveEngine engine_here(const Hypervisor& xen, Executor& executor, const SaveOptions& base) {
  return [&xen, &executor, base](domid_t domid, int fd, const EngineOptions& given,
                                 const EngineCallbacks& callbacks) {
    FdSink sink(fd, "the image");
    save_here(xen, executor, base, domid, fd, sink, given, callbacks, nullptr);
  };
}

SaveEngine stoppable_engine_here(const Hypervisor& xen, Executor& executor) {
  return [&xen, &executor](domid_t domid, int fd, const EngineOptions& given,
                           const EngineCallbacks& callbacks) {
    const SignalsStop signals;
    helper::StoppableSink sink(fd, signals.event());
    SaveOptions base;
    base.level = given.settings.get<"level">();
    save_here(xen, executor, base, domid, fd, sink, given, callbacks, &signals.event().stopped());
    sink.wait_until_taken();
  };
}

}  // namespace ferry::host
