// Random damage to a guest that an image holds: what a defect of a saver, or a clever attacker,
// could write behind right digests.
#pragma once

#include <random>
#include <string>

#include "tests/audit/image_builder.h"

namespace ferry::test {

using Random = std::mt19937_64;

// Changes one thing, drawn from everything that an image says of a guest. Says what it was.
std::string corrupt(TestGuest& guest, Random& random);

}  // namespace ferry::test
