// Ways to change an image of a whole guest, one thing at a time: harmless ones, and some for each
// reason for which Xen refuses a guest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/audit/terrain.h"

namespace ferry::test {

struct Change {
  std::string name;
  std::function<void(Variant&)> apply;
};

// The first changes nothing. They refer to image, which has to stay.
std::vector<Change> all_changes(const RealImage& image);

}  // namespace ferry::test
