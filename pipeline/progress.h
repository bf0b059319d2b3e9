// How long-running work tells where it is, and how it is told to stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace ferry {

struct Progress {
  const char* what = "";  // "saving memory", …
  uint64_t pages_done = 0;
  uint64_t pages_total = 0;
  uint64_t bytes = 0;  // written or read so far
};

// Called from one thread at a time, as often as there is news: the callee limits the rate.
using ProgressSink = std::function<void(const Progress&)>;

// Set from anywhere, a signal handler included; work looks at it between two batches.
using StopFlag = std::atomic<bool>;

}  // namespace ferry
