// How long a guest may stand still for the other host's sake.
#include "migrate/patience.h"

#include <fmt/format.h>

namespace ferry {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(50);

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Patience::Patience(HandoverLimits limits, std::function<void()> give_up)
    : limits_(limits), give_up_(std::move(give_up)), thread_([this] { watch(); }) {
}

Patience::~Patience() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Patience::arm() {
  const std::lock_guard lock(mutex_);
  armed_ = bounded_ = true;
  armed_at_ = moved_at_ = Clock::now();
  changed_.notify_all();
}

void Patience::given_away() {
  const std::lock_guard lock(mutex_);
  bounded_ = false;
  moved_at_ = Clock::now();
}

void Patience::disarm() {
  const std::lock_guard lock(mutex_);
  armed_ = false;
}

void Patience::progress() {
  const std::lock_guard lock(mutex_);
  moved_at_ = Clock::now();
}

bool Patience::ended() const {
  const std::lock_guard lock(mutex_);
  return !reason_.empty();
}

std::string Patience::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

void Patience::begin_wait() {
  const std::lock_guard lock(mutex_);
  if (waiting_++ == 0) moved_at_ = Clock::now();
}

void Patience::end_wait() {
  const std::lock_guard lock(mutex_);
  --waiting_;
  moved_at_ = Clock::now();
}

bool Patience::is_over(Clock::time_point now) {
  if (!armed_) return false;
  if (waiting_ > 0 && now - moved_at_ >= limits_.without_progress)
    reason_ = fmt::format("it made no progress for {:g} s", seconds(limits_.without_progress));
  else if (bounded_ && limits_.whole.count() > 0 && now - armed_at_ >= limits_.whole)
    reason_ = fmt::format("the guest has stood still for {:g} s", seconds(limits_.whole));
  return !reason_.empty();
}

void Patience::watch() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (is_over(Clock::now())) {
      lock.unlock();
      give_up_();
      return;
    }
    if (armed_)
      changed_.wait_for(lock, kLookAgain);
    else
      changed_.wait(lock);
  }
}

}  // namespace ferry
