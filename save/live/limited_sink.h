// The rate at which a live save may write while the guest runs.
#pragma once

#include <atomic>

#include "io/byte_stream.h"
#include "pipeline/progress.h"
#include "save/live/control.h"

namespace ferry {

// Lets bytes through at the rate that control says, and never waits longer than a tenth of a second
// without looking whether it was told to stop.
class LimitedSink final : public ByteSink {
 public:
  LimitedSink(ByteSink& sink, const LiveControl* control, const StopFlag* stop)
      : sink_(sink), control_(control), stop_(stop) {}
  void write(std::span<const std::byte> bytes) override;

  // The guest stands still: from here on there is no limit.
  void lift() { lifted_ = true; }

 private:
  void wait(uint64_t rate, size_t bytes);

  ByteSink& sink_;
  const LiveControl* control_;
  const StopFlag* stop_;
  std::atomic<bool> lifted_{false};
  int64_t next_us_ = 0;  // when the next byte may go
};

}  // namespace ferry
