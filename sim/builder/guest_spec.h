// What a scratch guest looks like; everything else about it follows from its seed.
#pragma once

#include <cstdint>

namespace ferry::sim {

enum class P2mForm : uint8_t {
  tree,    // frame list list only: kernels before the linear list
  linear,  // the mapped list only, the tree marked as absent
  both,    // the mapped list and a tree beside it
};

struct GuestSpec {
  uint64_t seed = 1;
  uint64_t pages = 1024;  // pfns that have memory or had it before ballooning
  uint64_t tail = 0;      // pfns after them that never had memory
  unsigned vcpus = 1;
  unsigned offline_vcpus = 0;  // of these, never brought up (not vCPU 0)
  P2mForm p2m = P2mForm::linear;
  unsigned ballooned_percent = 5;
  unsigned processes = 3;         // address spaces beside the kernel's own
  unsigned zero_percent = 30;     // of the data pages
  bool identity_entries = false;  // the p2m's tail is marked 1:1 instead of invalid
  bool m2p_strict = true;
  bool placed_vcpu_info = true;
  bool pin_each_l1 = false;  // as kernels with split page-table locks do
  bool suspended = true;     // has made the suspend hypercall; else paused by its builder

  // A guest of 1 to `most_pages` * 4 KiB with everything drawn from the seed.
  static GuestSpec random(uint64_t seed, uint64_t most_pages = 4096);
};

}  // namespace ferry::sim
