// A save as others see it while it runs, and steer it.
#include "tools/ferry-save-helper/watched_save.h"

#include <poll.h>
#include <unistd.h>

#include <numeric>

#include "host/live_settings.h"
#include "host/live_status.h"

namespace ferry::helper {

WatchedSave::WatchedSave(domid_t domid, bool live, const Settings& settings, Channel& channel,
                         StopWatch& stop)
    : settings_(settings), channel_(channel), report_(channel) {
  control_.bytes_per_second = host::bytes_per_second_of(settings);
  open_control(domid, live, stop);
}

void WatchedSave::open_control(domid_t domid, bool live, StopWatch& stop) {
  const auto asked_for = settings_.find<"control">();
  try {
    socket_ = std::make_unique<ControlSocket>(
        asked_for ? *asked_for : control_path(domid), control_, [&stop] { stop.stop(); }, live);
  } catch (const Error& e) {
    if (asked_for) throw;
    channel_.log(Level::debug, fmt::format("this save cannot be steered: {}", e.what()));
  }
}

LiveOptions WatchedSave::live_options() {
  LiveOptions options;
  options.track = host::track_of(settings_);
  options.policy = host::policy_of(settings_);
  options.control = &control_;
  options.progress = [this](const LiveProgress& p) { tell_live(p); };
  // Between rounds, when nobody else speaks to libxl.
  options.log = [this](std::string_view line) { channel_.log(Level::debug, line); };
  return options;
}

// As a live save would tell of its last pass.
void WatchedSave::tell(const Progress& p) {
  report_.update(p);
  if (!socket_) return;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  LiveProgress now;
  now.round = 1;
  now.phase = "guest stands still";
  now.pages_total = now.round_pages = p.pages_total;
  now.pages_sent = p.pages_done;
  now.pages_left = p.pages_total - p.pages_done;
  now.image_bytes = p.bytes;
  now.elapsed_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count());
  if (now.elapsed_us) now.bytes_per_second = p.bytes * 1'000'000 / now.elapsed_us;
  socket_->update(now);
}

void WatchedSave::tell_live(const LiveProgress& p) {
  if (socket_) socket_->update(p);
  if (!report_.due(p.pages_left == 0)) return;
  const uint64_t total = p.round_pages;
  channel_.progress(fmt::format("saving memory, round {}", p.round + 1), total - p.pages_left,
                    total);
  const auto events = settings_.find<"events_fd">();
  if (!events) return;
  const std::string line = host::to_json(p) + "\n";
  // Whoever does not read the events misses some.
  pollfd ready = {static_cast<int>(*events), POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1) return;
  [[maybe_unused]] const ssize_t ignored = write(ready.fd, line.data(), line.size());
}

std::string describe(const LiveReport& report, uint64_t suspended_us) {
  const uint64_t pages =
      std::accumulate(report.round_pages.begin(), report.round_pages.end(), uint64_t{0});
  return fmt::format(
      "{} rounds by {}, {} MiB of memory read; suspended for {} ms, {} ms of it for the memory "
      "({} ms looking, {} ms sending); expected were {} ms for the memory and {} ms for the rest",
      report.round_pages.size(), report.track, pages * kPageSize >> 20, suspended_us / 1000,
      (report.last_scan_us + report.last_send_us) / 1000, report.last_scan_us / 1000,
      report.last_send_us / 1000, report.predicted.memory_us / 1000,
      report.predicted.fixed_us / 1000);
}

}  // namespace ferry::helper
