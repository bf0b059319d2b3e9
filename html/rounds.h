// What is known of each round of a save: from the records, and when it was, if the image says so.
#pragma once

#include <optional>
#include <vector>

#include "audit/census.h"
#include "audit/summary.h"

namespace ferry::html {

struct Round {
  uint64_t pages = 0;                           // sent, those of zeros included
  uint64_t bytes = 0;                           // of its records; 0 if nobody has counted
  std::optional<double> ended = {};             // seconds after the start
  std::optional<double> seconds = {};           // from the end of the one before to its own
  std::optional<double> pages_per_second = {};  // sent
  std::optional<double> dirty_per_second = {};  // pages that the next round had to send
};

// In order; empty if neither knows anything.
std::vector<Round> rounds_of(const std::optional<v1::Timeline>& timeline,
                             const std::optional<audit::Census>& census);

}  // namespace ferry::html
