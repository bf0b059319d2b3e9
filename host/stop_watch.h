// Watches for everything that means "stop": signals, and libxl going away.
#pragma once

#include <signal.h>

#include <atomic>
#include <thread>

#include "pipeline/progress.h"

namespace ferry::helper {

// Blocks SIGINT, SIGTERM and SIGHUP for the whole process while it lives and waits for them on a
// thread of its own, together with the hang-up of the pipe on which libxl replies. Make it before
// other threads.
class StopWatch {
 public:
  explicit StopWatch(int replies_fd);
  ~StopWatch();
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

  const StopFlag& stopped() const { return stopped_; }
  // Stops as a signal would. From any thread.
  void stop();
  // Readable once stopped: wakes up whoever waits for a slow file.
  int wake_fd() const { return wake_; }

 private:
  void watch(int replies_fd);

  StopFlag stopped_{false};
  sigset_t mask_before_{};
  int signals_ = -1;
  int wake_ = -1;
  int end_ = -1;
  std::thread thread_;
};

}  // namespace ferry::helper
