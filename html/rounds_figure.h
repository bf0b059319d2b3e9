// The rounds of a live save as charts: how many pages each sent, how fast, and how fast the guest
// wrote meanwhile.
#pragma once

#include <string>

#include "html/rounds.h"

namespace ferry::html {

inline constexpr size_t kChartedRounds = 40;  // of more the last ones

// Nothing for a save of one round.
std::string rounds_figures(const std::vector<Round>& rounds);

}  // namespace ferry::html
