// Counters behind seam_usage and refused_buffers.
#pragma once

#include <atomic>
#include <cstdint>

namespace ferry::sim {

struct UsageCounters {
  std::atomic<uint64_t> handles{0}, buffers{0}, mapped_pages{0}, refused_buffers{0};
};
UsageCounters& usage_counters();

}  // namespace ferry::sim
