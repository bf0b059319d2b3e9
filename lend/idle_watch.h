// Says when nobody wants anything: who reads a guest may stop reading for hours and stay there (a
// pager, a stopped process, a cut wire), and neither a pipe nor a socket tells.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace ferry::lend {

class IdleWatch {
 public:
  // idle() runs on a thread of its own, once there was no turn for so long, and again each time as
  // long as there is none; never during a turn. It must not throw.
  IdleWatch(std::chrono::milliseconds after, std::function<void()> idle);
  ~IdleWatch();
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

  // Something is done, as long as this is held.
  std::unique_lock<std::mutex> turn();

 private:
  void watch(std::chrono::milliseconds after);

  const std::function<void()> idle_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t turns_ = 0;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace ferry::lend
