// The rate at which a live save may write while the guest runs.
#include "save/live/limited_sink.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "error/error.h"

namespace ferry {
namespace {

constexpr int64_t kLookUs = 100'000;
constexpr int64_t kBurstUs = 20'000;  // what may be made up for after a pause

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void LimitedSink::write(std::span<const std::byte> bytes) {
  const uint64_t rate = control_ && !lifted_ ? control_->bytes_per_second.load() : 0;
  if (rate != 0) wait(rate, bytes.size());
  sink_.write(bytes);
}

void LimitedSink::wait(uint64_t rate, size_t bytes) {
  next_us_ = std::max(next_us_, now_us() - kBurstUs);
  for (int64_t left; (left = next_us_ - now_us()) > 0;) {
    if (stop_ && *stop_) fail(Errc::aborted, "told to stop");
    if (lifted_) return;
    const uint64_t now_rate = control_->bytes_per_second.load();
    if (now_rate != rate) break;  // another limit: what is still due at the old one is forgiven
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(left, kLookUs)));
  }
  next_us_ = std::max(next_us_, now_us() - kBurstUs) +
             static_cast<int64_t>(static_cast<double>(bytes) * 1e6 / static_cast<double>(rate));
}

}  // namespace ferry
