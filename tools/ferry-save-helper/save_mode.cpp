// ferry-save-helper --save-domain: what libxl starts for xl save, and ferry-host for ferry save.
#include "tools/ferry-save-helper/save_mode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "base_pages/base_pages.h"
#include "convert/live_export.h"
#include "custody/guest_custody.h"
#include "custody/leaving.h"
#include "custody/locked_save.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "error/run_main.h"
#include "ferry/v1/image.pb.h"
#include "files/unfinished_file.h"
#include "host/metrics.h"
#include "host/report.h"
#include "host/room.h"
#include "host/stop_watch.h"
#include "host/stoppable_stream.h"
#include "host/xl_watchers.h"
#include "io/block_device.h"
#include "io/descriptor.h"
#include "io/uncached_sink.h"
#include "migrate/open_job.h"
#include "tools/ferry-save-helper/keeper.h"
#include "tools/ferry-save-helper/priority.h"
#include "tools/ferry-save-helper/starter.h"
#include "tools/ferry-save-helper/watched_save.h"
#include "xen/suspend_request.h"

namespace ferry::helper {
namespace {

constexpr uint32_t kLive = 1;  // XCFLAGS_LIVE
constexpr size_t kMostConfig = 4 << 20;

void sync_file(int fd) {
  struct stat status = {};
  const bool kept = fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
  if (kept && fsync(fd) != 0) fail_errno(Errc::io, errno, "cannot bring the image to the disk");
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
  options.level = settings.get<"level">();
  if (libxc_stream) options.level = 0;  // nobody would decompress Xen's own format
  options.config = read_config(settings);
  return options;
}

class SaveJob {
 public:
  SaveJob(const SaveArguments& arguments, const Settings& settings, Channel& channel)
      : arguments_(arguments),
        settings_(settings),
        channel_(channel),
        counting_(arguments.flags & kLive ? "xl_migrate" : "xl_save") {
    if (const auto order = settings.find<"order">()) {
      order_ = *order;
      counting_.run.command = order_;
      counting_.counts = false;  // that command does it
    }
  }

  int run(StopWatch& stop) {
    try {
      xen_.emplace();
      undo_.emplace(*xen_);
      take_custody(stop);
      save(stop);
      if (!under_ferry_) keep_lock_until_let_go(guest_->lock(), guest_->look());
      channel_.complete(0, 0);
      counting_.run.outcome = host::Outcome::success;
      file_->keep();
      if (guest_->asked_to_suspend()) clear_own_suspend_mark(arguments_.domid);  // the image counts
      if (suspension_) host::count(*suspension_);
      return 0;
    } catch (const Error& e) {
      return report(e, stop);
    } catch (const std::exception& e) {
      return report(Error(Errc::internal, e.what()), stop);
    } catch (const LibxlGone&) {
      return rescue();
    }
  }

 private:
  // ferry hands us its lock. Under xl a second save waits for the first one: if it failed, xl would
  // resume the guest that the first has suspended.
  void take_custody(const StopWatch& stop) {
    if (const auto fd = settings_.find<"lock_fd">()) {
      under_ferry_ = true;
      guest_.emplace(*xen_, *undo_, arguments_.domid,
                     DomainLock::adopt(arguments_.domid, static_cast<int>(*fd)));
    } else {
      do {
        guest_.emplace(*xen_, *undo_, arguments_.domid, wait_for_lock(stop));
      } while (has_to_wait_for_job(stop));
      const DomainInfo domain = guest_->look();
      refuse_open_job(*xen_, domain);
      if (!domain.suspended) refuse_who_cannot_suspend(word_on_suspend(domain.domid), domain.domid);
    }
  }

  // A migration that was broken off has suspended the guest, which may run elsewhere by now: if
  // this save failed, libxl would resume it here. The lock is free meanwhile for whoever settles
  // the job.
  bool has_to_wait_for_job(const StopWatch& stop) {
    constexpr auto kNowAndThen = std::chrono::milliseconds(200);
    const std::string claim = claim_of_a_migration(*xen_, guest_->look());
    if (claim.empty()) return false;
    if (!told_of_job_)
      channel_.log(Level::notice, fmt::format("waiting until this is settled: {}", claim));
    told_of_job_ = true;
    guest_.reset();
    std::this_thread::sleep_for(kNowAndThen);
    if (stop.stopped()) fail(Errc::aborted, "the save was told to stop");
    return true;
  }

  // Why a migration may have the guest; empty if none has. Of a guest that is suspended without a
  // note of ours nothing is known here, and xl has it as without us.
  static std::string claim_of_a_migration(const Hypervisor& xen, const DomainInfo& domain) {
    if (!domain.suspended) return {};
    try {
      refuse_open_job(xen, domain);
      if (has_suspend_mark(domain)) refuse_claimed(xen, domain);
      return {};
    } catch (const Error& e) {
      if (e.code() != Errc::needs_operator && e.code() != Errc::busy) throw;
      return e.what();
    }
  }

  DomainLock wait_for_lock(const StopWatch& stop) {
    if (auto lock = DomainLock::try_take(arguments_.domid)) return std::move(*lock);
    channel_.log(Level::notice, fmt::format("domain {} is in other hands (a save, a migration): "
                                            "waiting until they are done with it",
                                            raw(arguments_.domid)));
    return DomainLock::wait_for(arguments_.domid, [&] { return !stop.stopped(); });
  }

  void save(StopWatch& stop) {
    lower_priority();
    StoppableSink stream(arguments_.io_fd, stop);
    std::optional<DeviceSink> device;
    if (device_bytes(arguments_.io_fd)) device.emplace(stream, arguments_.io_fd);
    std::optional<UncachedSink> uncached;
    if (is_regular_file(arguments_.io_fd)) uncached.emplace(stream, arguments_.io_fd);
    ByteSink& out = device     ? static_cast<ByteSink&>(*device)
                    : uncached ? static_cast<ByteSink&>(*uncached)
                               : stream;
    convert::LibxcSink libxc(out);
    const bool to_libxc = settings_.choose<"stream">({false, true});
    ByteSink& sink = to_libxc ? static_cast<ByteSink&>(libxc) : out;
    WatchedSave watched(arguments_.domid, arguments_.flags & kLive, settings_, channel_, stop);
    SaveCallbacks callbacks;
    callbacks.suspend = [this] { suspend(); };
    callbacks.suspends_paused = under_ferry_;
    callbacks.check_room = [this](uint64_t least_bytes, uint64_t guest_pages) {
      check_room(least_bytes, guest_pages);
    };
    callbacks.progress = [&](const Progress& p) { watched.tell(p); };
    callbacks.stop = &stop.stopped();
    SaveOptions options = save_options(settings_, to_libxc);
    std::optional<BasePages> base;
    if (const auto fd = settings_.find<"base_fd">())
      options.base = &base.emplace(BasePages::adopt(static_cast<int>(*fd)));
    std::optional<BasePages> page_hashes;
    if (const auto fd = settings_.find<"page_hashes_fd">())
      options.page_hashes = &page_hashes.emplace(BasePages::fill(static_cast<int>(*fd)));
    auto executor = make_thread_executor(threads_of(settings_));
    if (arguments_.flags & kLive) options.live = watched.live_options();
    file_.emplace(under_ferry_ ? -1 : arguments_.io_fd);  // ferry has none of that name yet
    const auto on_the_disk = [&] {
      stream.wait_until_taken();
      if (uncached) uncached->finish();
      sync_file(arguments_.io_fd);
      if (uncached) uncached->drop();
      if (!file_->path().empty())
        guest_->about_to_count(named_file(arguments_.io_fd, file_->path()));
      file_->finish();
    };
    const SaveResult result =
        save_domain_locked(*guest_, sink, *executor, options, callbacks, on_the_disk);
    guest_->replace_images_of_earlier_saves();
    if (device && !under_ferry_) device->finish();  // ferry does it when the image counts
    channel_.log(Level::info,
                 fmt::format("saved {} bytes of guest as {} bytes of image in {} ms",
                             result.guest_bytes, result.image_bytes, result.suspended_us / 1000));
    counting_.run.guest_bytes = result.guest_bytes;
    counting_.run.image_bytes = result.image_bytes;
    if (!result.live) return;
    channel_.log(Level::info, describe(*result.live, result.suspended_us));
    const Prediction& predicted = result.live->predicted;
    suspension_ = {counting_.run.command,
                   static_cast<double>(predicted.memory_us + predicted.fixed_us) / 1e6,
                   static_cast<double>(result.suspended_us) / 1e6};
  }

  void check_room(uint64_t least_bytes, uint64_t guest_pages) const {
    host::check_room_for_image(arguments_.io_fd, least_bytes);
    std::ostringstream meminfo;
    meminfo << std::ifstream("/proc/meminfo").rdbuf();
    const host::MemoryForSave save = {
        .guest_pages = guest_pages,
        .threads = threads_of(settings_),
        .live = (arguments_.flags & kLive) != 0,
        .has_base = settings_.find<"base_fd">().has_value(),
        .page_hashes = settings_.find<"page_hashes_fd">().has_value()};
    host::check_memory_for_save(save, meminfo.str());
  }

  void suspend() {
    if (arguments_.flags & kLive) restore_priority();
    if (!under_ferry_) host::hold_xl_watchers(guest_->look(), "/proc/self/exe");
    answered_ = channel_.suspend() == 1;
    if (!answered_)
      fail(Errc::guest, "domain {} was asked to suspend and would not", raw(arguments_.domid));
  }

  // xl then resumes the guest, as far as it is suspended: whoever has suspended it.
  int report(const Error& error, const StopWatch& stop) {
    file_.reset();  // before the guest runs on: the image is behind its disks then
    try {
      if (!guest_ && error.code() != Errc::no_domain) wait_for_lock_before_failing(stop);
      if (answered_ && starter_ == Starter::resumes_nothing) resume_for_starter();
      report_failure(channel_, error);
      if (guest_ && guest_->asked_to_suspend()) leave_to_libxl();
      return 0;
    } catch (const LibxlGone&) {
      return rescue();
    }
  }

  // Where nobody else does. If it does not work, there is `ferry resume`.
  void resume_for_starter() {
    try {
      guest_->give_back();
    } catch (const Error& e) {
      channel_.log(Level::error, e.what());
    }
  }

  void wait_for_lock_before_failing(const StopWatch& stop) {
    try {
      wait_for_lock(stop);
    } catch (const Error&) {
      // Told to stop: libxl is gone, or somebody insists.
    }
  }

  // libxl is gone, and with it whoever would have resumed the guest.
  int rescue() {
    file_.reset();
    if (!guest_) return 1;
    try {
      guest_->give_back();
      return 1;
    } catch (const Error& e) {
      complain("ferry-save-helper", e.what());
      counting_.run.outcome = host::outcome_of(e);
      return static_cast<int>(exit_code(e.code()));
    }
  }

  // It may be killed before it has done so.
  void leave_to_libxl() {
    try {
      const DomainInfo domain = guest_->look();
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
  std::optional<SuspendUndoWithoutLibxl> undo_;
  std::optional<GuestCustody> guest_;
  std::optional<UnfinishedFile> file_;
  std::string order_;
  host::CountedRun counting_;
  std::optional<host::Suspension> suspension_;
  const Starter starter_ = starter();
  bool told_of_job_ = false;
  bool under_ferry_ = false;  // which has the guest in custody itself
  bool answered_ = false;     // libxl says that it suspended, or will not do so any more
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
