// "Stop", as work that looks now and then and whoever waits for a slow file both hear it.
#pragma once

#include "io/descriptor.h"
#include "pipeline/progress.h"

namespace ferry::helper {

class StopEvent {
 public:
  StopEvent();  // throws Error(internal)

  // From any thread, and from a signal handler.
  void stop() noexcept;
  // It was never told.
  void reset() noexcept;

  const StopFlag& stopped() const { return stopped_; }
  // Readable once stopped.
  int wake_fd() const { return wake_.get(); }

 private:
  StopFlag stopped_{false};
  Descriptor wake_;
};

}  // namespace ferry::helper
