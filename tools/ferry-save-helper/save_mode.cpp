// ferry-save-helper --save-domain: what libxl starts for xl save, and ferry-host for ferry save.
#include "tools/ferry-save-helper/save_mode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "convert/live_export.h"
#include "custody/give_back.h"
#include "custody/locked_save.h"
#include "custody/suspend_mark.h"
#include "error/run_main.h"
#include "host/report.h"
#include "host/stoppable_stream.h"
#include "tools/ferry-save-helper/live_save.h"
#include "tools/ferry-save-helper/settings.h"
#include "xen/suspend_request.h"

namespace ferry::helper {
namespace {

constexpr uint32_t kLive = 1;  // XCFLAGS_LIVE

void sync_file(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fsync(fd) != 0)
    fail_errno(Errc::io, errno, "cannot bring the image to the disk");
}

class SaveJob {
 public:
  SaveJob(const SaveArguments& arguments, Channel& channel)
      : arguments_(arguments), channel_(channel) {}

  int run(StopWatch& stop) {
    try {
      save(stop);
      channel_.complete(0, 0);
      if (asked_to_suspend_) clear_own_suspend_mark(arguments_.domid);  // the image counts now
      return 0;
    } catch (const Error& e) {
      return report(e);
    } catch (const std::exception& e) {
      return report(Error(Errc::internal, e.what()));
    } catch (const LibxlGone&) {
      return rescue();
    }
  }

 private:
  void save(StopWatch& stop) {
    const Settings settings = read_settings();
    lower_priority();
    xen_.emplace();
    StoppableSink stream(arguments_.io_fd, stop);
    convert::LibxcSink libxc(stream);
    ByteSink& sink = settings.libxc_stream ? static_cast<ByteSink&>(libxc) : stream;
    ProgressReport progress(channel_);
    SaveCallbacks callbacks;
    callbacks.suspend = [this] { suspend(); };
    callbacks.progress = [&](const Progress& p) { progress.update(p); };
    callbacks.stop = &stop.stopped();
    SaveOptions options;
    options.level = settings.level;
    options.config = settings.config;
    auto executor = make_thread_executor(settings.threads);
    std::optional<LiveSave> live;
    if (arguments_.flags & kLive) {
      live.emplace(arguments_.domid, settings, channel_, stop);
      options.live = live->options();
    }
    const SaveResult result =
        save_domain_locked(*xen_, arguments_.domid, sink, *executor, options, callbacks,
                           [this] { sync_file(arguments_.io_fd); });
    channel_.log(Level::info,
                 fmt::format("saved {} bytes of guest as {} bytes of image in {} ms",
                             result.guest_bytes, result.image_bytes, result.suspended_us / 1000));
    if (result.live) channel_.log(Level::info, describe(*result.live, result.suspended_us));
  }

  void suspend() {
    asked_to_suspend_ = true;
    if (arguments_.flags & kLive) restore_priority();
    answered_ = channel_.suspend() == 1;
    if (!answered_)
      fail(Errc::guest, "domain {} was asked to suspend and would not", raw(arguments_.domid));
  }

  // libxl then resumes the guest, as far as it had suspended it.
  int report(const Error& error) {
    try {
      report_failure(channel_, error);
      if (asked_to_suspend_) leave_to_libxl();
      return 0;
    } catch (const LibxlGone&) {
      return rescue();
    }
  }

  // libxl is gone, and with it whoever would have resumed the guest.
  int rescue() {
    if (!asked_to_suspend_ || !xen_) return 1;
    try {
      SuspendUndoWithoutLibxl undo(*xen_);
      give_back(*xen_, undo, arguments_.domid, true);
      return 1;
    } catch (const Error& e) {
      complain("ferry-save-helper", e.what());
      return static_cast<int>(exit_code(e.code()));
    }
  }

  // It may be killed before it has done so.
  void leave_to_libxl() {
    try {
      const DomainInfo domain = get_domain(*xen_, arguments_.domid);
      if (domain.suspended)
        expire_own_suspend_mark(domain);
      else if (answered_)
        clear_own_suspend_mark(domain.domid);
    } catch (const Error&) {
    }
  }

  const SaveArguments& arguments_;
  Channel& channel_;
  std::optional<Hypervisor> xen_;
  bool asked_to_suspend_ = false;
  bool answered_ = false;  // libxl says that it suspended, or will not do so any more
};

}  // namespace

bool save_is_for_stock_helper(const SaveArguments& arguments) {
  if (arguments.stream_type != 0) return true;
  Hypervisor xen;
  return get_domain(xen, arguments.domid).hvm || guest_width(xen, arguments.domid) != 8;
}

int run_save(const SaveArguments& arguments, Channel& channel) {
  StopWatch stop(STDIN_FILENO);
  return SaveJob(arguments, channel).run(stop);
}

}  // namespace ferry::helper
