// Random specs.
#include "sim/builder/guest_spec.h"

#include <algorithm>

#include "sim/machine/random.h"

namespace ferry::sim {

GuestSpec GuestSpec::random(uint64_t seed, uint64_t most_pages) {
  Random random(seed * 0x9e3779b97f4a7c15 + 3);
  GuestSpec spec;
  spec.seed = seed;
  const uint64_t least = 256;
  spec.pages = least + random.below(std::max<uint64_t>(most_pages, least + 1) - least + 1);
  spec.tail = random.chance(50) ? random.below(1200) : 0;
  spec.vcpus = 1 + static_cast<unsigned>(random.below(4));
  spec.offline_vcpus = static_cast<unsigned>(random.below(spec.vcpus));
  if (random.chance(60)) spec.offline_vcpus = 0;
  spec.p2m = static_cast<P2mForm>(random.below(3));
  spec.ballooned_percent = random.chance(30) ? 0 : static_cast<unsigned>(random.below(30));
  spec.processes = static_cast<unsigned>(random.below(1 + std::min<uint64_t>(spec.pages / 96, 10)));
  spec.zero_percent = static_cast<unsigned>(random.below(80));
  spec.identity_entries = random.chance(40);
  spec.m2p_strict = random.chance(50);
  spec.placed_vcpu_info = random.chance(50);
  spec.pin_each_l1 = random.chance(40);
  return spec;
}

}  // namespace ferry::sim
