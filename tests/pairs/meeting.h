// One case: the first command is held before one of its calls, or killed there, while the second
// runs as far as it can; then the one guest must be in one place.
#pragma once

#include <string>

#include "tests/pairs/stage.h"

namespace ferry::pairs {

struct Outcome {
  std::string wrong;    // empty: the promise was kept
  std::string point;    // what the first was about to do; empty: it ended before it came there
  std::string history;  // who ended how and said what
};

Outcome meet(Stage& stage, const First& first, const Command& second, unsigned point, bool kill);

// How many points the first has by itself.
unsigned count_points(Stage& stage, const First& first);

}  // namespace ferry::pairs
