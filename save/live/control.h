// What can be changed about a live save, and seen of it, while it runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace ferry {

// Set from any thread at any time.
struct LiveControl {
  std::atomic<uint64_t> bytes_per_second{0};  // of image, while the guest runs; 0: no limit
  std::atomic<uint64_t> max_downtime_us{0};   // 0: what the save was started with
};

// Where a live save is. virsh domjobinfo knows the same figures under the names in brackets.
struct LiveProgress {
  uint32_t round = 0;                   // passes begun [memory iteration]
  const char* phase = "";               // "sending", "looking", "suspending", "last pass"
  uint64_t pages_total = 0;             // of the guest [memory total]
  uint64_t pages_sent = 0;              // all rounds together [memory processed]
  uint64_t pages_left = 0;              // of this round [memory remaining]
  uint64_t round_pages = 0;             // of this round
  uint64_t image_bytes = 0;             // written so far [data processed]
  uint64_t dirty_pages_per_second = 0;  // [memory dirty rate]
  uint64_t bytes_per_second = 0;        // of image [memory bandwidth]
  uint64_t expected_downtime_us = 0;    // [expected downtime]
  uint64_t elapsed_us = 0;              // [time elapsed]
};

}  // namespace ferry
