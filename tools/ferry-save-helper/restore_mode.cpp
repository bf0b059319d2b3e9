// ferry-save-helper --restore-domain: what libxl starts for xl restore and xl migrate-receive.
#include "tools/ferry-save-helper/restore_mode.h"

#include <unistd.h>

#include <cerrno>
#include <optional>

#include "error/run_main.h"
#include "host/report.h"
#include "host/stop_watch.h"
#include "host/stoppable_stream.h"
#include "host/stream_kind.h"
#include "restore/restore.h"
#include "tools/ferry-save-helper/priority.h"

namespace ferry::helper {
namespace {

class RestoreJob {
 public:
  RestoreJob(const RestoreArguments& arguments, const Settings& settings, Channel& channel)
      : arguments_(arguments), settings_(settings), channel_(channel) {}

  std::optional<int> run(const StopWatch& stop) {
    try {
      xen_.emplace();
      if (is_for_stock_helper(stop)) return std::nullopt;
      restore(stop);
      return 0;
    } catch (const Error& e) {
      return report(e);
    } catch (const std::exception& e) {
      return report(Error(Errc::internal, e.what()));
    } catch (const LibxlGone&) {
      return destroy();
    }
  }

 private:
  bool is_for_stock_helper(const StopWatch& stop) {
    if (get_domain(*xen_, arguments_.target.domid).hvm) return true;
    const StreamKind kind = stream_kind(arguments_.io_fd, stop.wake_fd());
    if (kind == StreamKind::unknown)
      fail(Errc::bad_image, "this is neither an image of ferry nor a stream of Xen's own tools");
    return kind == StreamKind::libxc;
  }

  void restore(const StopWatch& stop) {
    lower_priority();
    StoppableSource source(arguments_.io_fd, stop);
    ProgressReport progress(channel_);
    RestoreCallbacks callbacks;
    callbacks.static_data_done = [this](bool no_cpuid, bool no_msrs) {
      if (channel_.static_data_done((no_cpuid ? kMissingCpuid : 0) | (no_msrs ? kMissingMsrs : 0)))
        fail(Errc::unsupported, "libxl could not give the guest a CPU policy");
    };
    callbacks.progress = [&](const Progress& p) { progress.update(p); };
    callbacks.stop = &stop.stopped();
    auto executor = make_thread_executor(threads_of(settings_));
    const RestoreResult result =
        restore_domain(*xen_, arguments_.target, source, *executor, callbacks);
    channel_.log(Level::info, fmt::format("restored {} bytes of guest", result.guest_bytes));
    results_sent_ = true;
    channel_.restore_results(result.store_mfn.raw(), result.console_mfn.raw());
    channel_.complete(0, 0);
  }

  // libxl then destroys what there is of the domain.
  int report(const Error& error) {
    try {
      if (!results_sent_) channel_.restore_results(0, 0);
      report_failure(channel_, error);
      return 0;
    } catch (const LibxlGone&) {
      return destroy();
    }
  }

  // libxl is gone: nobody else would free the memory of a domain that was never finished.
  int destroy() {
    const uint32_t domid = raw(arguments_.target.domid);
    try {
      if (xen_) destroy_domain(*xen_, arguments_.target.domid);
      return static_cast<int>(Exit::failed);
    } catch (const Error& e) {
      complain("ferry-save-helper",
               fmt::format("domain {} is half restored and cannot run ({}); try: xl destroy {}",
                           domid, e.what(), domid));
      return static_cast<int>(Exit::needs_operator);
    }
  }

  const RestoreArguments& arguments_;
  const Settings& settings_;
  Channel& channel_;
  std::optional<Hypervisor> xen_;
  bool results_sent_ = false;
};

}  // namespace

std::optional<int> run_restore(const RestoreArguments& arguments, const Settings& settings,
                               Channel& channel) {
  if (arguments.stream_type != 0) return std::nullopt;
  StopWatch stop(STDIN_FILENO);
  return RestoreJob(arguments, settings, channel).run(stop);
}

}  // namespace ferry::helper
