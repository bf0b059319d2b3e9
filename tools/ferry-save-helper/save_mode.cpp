// ferry-save-helper --save-domain: what libxl starts for xl save, and ferry-host for ferry save.
#include "tools/ferry-save-helper/save_mode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "convert/live_export.h"
#include "custody/give_back.h"
#include "custody/locked_save.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "ferry/v1/image.pb.h"
#include "host/report.h"
#include "host/stoppable_stream.h"
#include "io/descriptor.h"
#include "tools/ferry-save-helper/live_save.h"
#include "tools/ferry-save-helper/priority.h"
#include "xen/suspend_request.h"

namespace ferry::helper {
namespace {

constexpr uint32_t kLive = 1;  // XCFLAGS_LIVE
constexpr size_t kMostConfig = 4 << 20;

void sync_file(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fsync(fd) != 0)
    fail_errno(Errc::io, errno, "cannot bring the image to the disk");
}

// What ferry-host says of the domain, if it was ferry-host that started us.
std::optional<v1::Config> read_config(const Settings& settings) {
  const auto fd = settings.find<"config_fd">();
  if (!fd) return std::nullopt;
  const Descriptor file(static_cast<int>(*fd));
  std::vector<std::byte> bytes(kMostConfig);
  bytes.resize(FdSource(file.get(), "the configuration").read(bytes));
  v1::Config config;
  if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    fail(Errc::usage, "the configuration handed to the save helper makes no sense");
  return config;
}

SaveOptions save_options(const Settings& settings, bool libxc_stream) {
  SaveOptions options;
  // Nobody would decompress Xen's own format.
  options.level = libxc_stream ? 0 : static_cast<int>(settings.get<"level">());
  options.config = read_config(settings);
  return options;
}

class SaveJob {
 public:
  SaveJob(const SaveArguments& arguments, const Settings& settings, Channel& channel)
      : arguments_(arguments), settings_(settings), channel_(channel) {}

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
    lower_priority();
    xen_.emplace();
    StoppableSink stream(arguments_.io_fd, stop);
    convert::LibxcSink libxc(stream);
    const bool to_libxc = settings_.choose<"stream">({false, true});
    ByteSink& sink = to_libxc ? static_cast<ByteSink&>(libxc) : stream;
    ProgressReport progress(channel_);
    SaveCallbacks callbacks;
    callbacks.suspend = [this] { suspend(); };
    callbacks.progress = [&](const Progress& p) { progress.update(p); };
    callbacks.stop = &stop.stopped();
    SaveOptions options = save_options(settings_, to_libxc);
    auto executor = make_thread_executor(threads_of(settings_));
    std::optional<LiveSave> live;
    if (arguments_.flags & kLive) {
      live.emplace(arguments_.domid, settings_, channel_, stop);
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
      fmt::print(stderr, "ferry-save-helper: {}\n", e.what());
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
  const Settings& settings_;
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

int run_save(const SaveArguments& arguments, const Settings& settings, Channel& channel) {
  StopWatch stop(STDIN_FILENO);
  return SaveJob(arguments, settings, channel).run(stop);
}

}  // namespace ferry::helper
