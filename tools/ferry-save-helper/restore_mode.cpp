// ferry-save-helper --restore-domain: what libxl starts for xl restore and xl migrate-receive.
#include "tools/ferry-save-helper/restore_mode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "error/run_main.h"
#include "host/metrics.h"
#include "host/report.h"
#include "host/stop_watch.h"
#include "host/stoppable_stream.h"
#include "host/stream_kind.h"
#include "image_reader/image_records.h"
#include "image_reader/reader_process.h"
#include "intake/guest_records.h"
#include "restore/restore.h"
#include "sandbox/confined_process.h"
#include "tools/ferry-save-helper/priority.h"
#include "xen/suspend_request.h"

namespace ferry::helper {
namespace {

class RestoreJob {
 public:
  // reader: none reads the image in this process.
  RestoreJob(const RestoreArguments& arguments, const Settings& settings, Channel& channel,
             std::optional<ReaderProcess>& reader)
      : arguments_(arguments), settings_(settings), channel_(channel), reader_(reader) {
    counting_.counts = !settings.find<"order">();  // ferry restore counts itself
  }

  std::optional<int> run(const StopWatch& stop) {
    try {
      xen_.emplace();
      if (is_for_stock_helper(stop)) {
        counting_.counts = false;
        return std::nullopt;
      }
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
    if (reader_) {
      lower_priority(reader_->pid());
      StoppableSource messages(reader_->messages_fd(), stop);
      ConfinedRecords records(*reader_, messages, [this](int error) { say_how_held(error); });
      return restore(records, stop);
    }
    channel_.log(Level::warn, "what reads the image has all the rights of this program");
    StoppableSource source(arguments_.io_fd, stop);
    const auto executor = make_thread_executor(threads_of(settings_));
    ImageRecords records(source, *executor);
    restore(records, stop);
  }

  void say_how_held(int seccomp_errno) {
    if (seccomp_errno == 0) return;
    channel_.log(Level::warn,
                 fmt::format("the kernel gives no seccomp ({}): what reads the image is "
                             "held by less",
                             std::strerror(seccomp_errno)));
  }

  void restore(RecordSource& records, const StopWatch& stop) {
    ProgressReport progress(channel_);
    RestoreCallbacks callbacks;
    callbacks.static_data_done = [this](bool no_cpuid, bool no_msrs) {
      if (channel_.static_data_done((no_cpuid ? kMissingCpuid : 0) | (no_msrs ? kMissingMsrs : 0)))
        fail(Errc::unsupported, "libxl could not give the guest a CPU policy");
    };
    callbacks.progress = [&](const Progress& p) { progress.update(p); };
    callbacks.stop = &stop.stopped();
    const RestoreResult result =
        restore_domain(*xen_, arguments_.target, records, callbacks, threads_of(settings_));
    channel_.log(Level::info, fmt::format("restored {} bytes of guest", result.guest_bytes));
    results_sent_ = true;
    say_it_can_suspend(arguments_.target.domid);
    channel_.restore_results(result.store_mfn.raw(), result.console_mfn.raw());
    channel_.complete(0, 0);
    counting_.run.outcome = host::Outcome::success;
    counting_.run.guest_bytes = result.guest_bytes;
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
  std::optional<ReaderProcess>& reader_;
  std::optional<Hypervisor> xen_;
  host::CountedRun counting_{"xl_restore"};
  bool results_sent_ = false;
};

// Of a stream nobody knows how long it will be; no host has room for a guest of more.
constexpr uint64_t kLongestImage = uint64_t{1} << 40;

uint64_t most_bytes_of(int image) {
  struct stat status = {};
  if (fstat(image, &status) != 0 || !S_ISREG(status.st_mode)) return kLongestImage;
  return static_cast<uint64_t>(status.st_size);
}

sandbox::Confined reader_of(int image) {
  return {.program = "ferry-save-helper",
          .what = "the image",
          .limits = sandbox::limits_for(most_bytes_of(image)),
          .way_out = "sandbox = no in ferry.conf runs it without these limits"};
}

}  // namespace

std::optional<int> run_restore(const RestoreArguments& arguments, const Settings& settings,
                               Channel& channel) {
  if (arguments.stream_type != 0) return std::nullopt;
  // While this process has one thread and nothing of Xen, of which the reader would have a copy.
  std::optional<ReaderProcess> reader;
  if (settings.get<"sandbox">() == "yes" && sandbox::can_confine())
    reader.emplace(reader_of(arguments.io_fd), arguments.io_fd, threads_of(settings));
  StopWatch stop(STDIN_FILENO);
  return RestoreJob(arguments, settings, channel, reader).run(stop);
}

}  // namespace ferry::helper
