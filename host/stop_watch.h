// Watches for everything that means "stop": signals, and libxl going away.
#pragma once

#include <signal.h>

#include <thread>

#include "host/stop_event.h"

namespace ferry::helper {

// Blocks SIGINT, SIGTERM and SIGHUP for the whole process while it lives and waits for them on a
// thread of its own, together with the hang-up of the pipe on which libxl replies. Make it before
// other threads.
class StopWatch : public StopEvent {
 public:
  explicit StopWatch(int replies_fd);
  ~StopWatch();
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

 private:
  void watch(int replies_fd);

  sigset_t mask_before_{};
  int signals_ = -1;
  int end_ = -1;
  std::thread thread_;
};

}  // namespace ferry::helper
