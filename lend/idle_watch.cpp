// Says when nobody wants anything.
#include "lend/idle_watch.h"

#include <utility>

namespace ferry::lend {

IdleWatch::IdleWatch(std::chrono::milliseconds after, std::function<void()> idle)
    : idle_(std::move(idle)), thread_([this, after] { watch(after); }) {
}

IdleWatch::~IdleWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::unique_lock<std::mutex> IdleWatch::turn() {
  std::unique_lock lock(mutex_);
  ++turns_;
  return lock;
}

void IdleWatch::watch(std::chrono::milliseconds after) {
  std::unique_lock lock(mutex_);
  for (uint64_t seen = turns_; !changed_.wait_for(lock, after, [this] { return ended_; });
       seen = turns_)
    if (turns_ == seen) idle_();
}

}  // namespace ferry::lend
