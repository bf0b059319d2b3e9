// Where in a guest there is something to change: ways down its page tables.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "tests/audit/real_image.h"

namespace ferry::test {

// From an L4 down to a page that is no table and that an L1 maps writable.
struct Way {
  std::array<uint64_t, 5> table{};  // pfn, by level 1 to 4; [0] is the page at its end
  std::array<unsigned, 5> slot{};   // of the entry that leads on, by level
};

// Slots of L4 tables: user mode has those below Xen's, the kernel those above.
inline constexpr unsigned kFirstUserSlot = 0, kLastUserSlot = 255;
inline constexpr unsigned kFirstKernelSlot = 272, kLastKernelSlot = 511;

struct Terrain {
  Way loaded;                         // in the kernel's part of the tables that vCPU 0 has loaded
  Way unloaded;                       // in the user's part of pinned tables that no vCPU has loaded
  uint64_t data = 0, other_data = 0;  // pages of data that no way has
  uint64_t zero = 0;                  // a page of zeros
  uint64_t gdt = 0;                   // vCPU 0's, first frame

  // A slot of the table that has nothing in it.
  static unsigned free_slot(const RealImage& image, uint64_t table, unsigned from = 0);
};

// Throws std::runtime_error if the guest has no such places.
Terrain survey(const RealImage& image);

}  // namespace ferry::test
