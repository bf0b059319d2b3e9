// What a live save says of itself.
#include "host/live_status.h"

#include <utility>

#include <fmt/format.h>

#include "p2m/frames.h"

namespace ferry::host {

std::string to_json(const LiveProgress& p) {
  const std::pair<const char*, uint64_t> figures[] = {
      {status_key::kElapsed, p.elapsed_us / 1000},
      {status_key::kDowntime, p.expected_downtime_us / 1000},
      {status_key::kTotal, p.pages_total * kPageSize},
      {status_key::kProcessed, p.pages_sent * kPageSize},
      {status_key::kRemaining, p.pages_left * kPageSize},
      {status_key::kBytesPerSecond, p.bytes_per_second},
      {status_key::kDirtyRate, p.dirty_pages_per_second},
      {status_key::kIteration, p.round},
      {status_key::kPageSize, kPageSize},
      {status_key::kDataProcessed, p.image_bytes},
  };
  std::string json = fmt::format("{{\"{}\": \"{}\"", status_key::kPhase, p.phase);
  for (const auto& [key, value] : figures) json += fmt::format(", \"{}\": {}", key, value);
  return json + "}";
}

}  // namespace ferry::host
