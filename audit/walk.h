// Walks of the guest's own page tables, as the CPU would do them.
//
// Each level of tables takes 9 bits of an address:
//
//   63      48 47   39 38   30 29   21 20   12 11      0
//   | sign    |  L4   |  L3   |  L2   |  L1   | offset |
#pragma once

#include <array>
#include <optional>

#include "audit/page_reader.h"

namespace ferry::audit {

struct WalkStep {
  unsigned level = 0;  // 4 down to 1
  uint64_t table = 0;  // pfn
  unsigned index = 0;  // of the entry in it
  uint64_t entry = 0;  // in pfn form
};

struct Walk {
  std::array<WalkStep, 4> steps{};
  unsigned taken = 0;           // of steps
  std::optional<uint64_t> pfn;  // that the address leads to
  const char* fault = "";       // why there is none
};

class Walker {
 public:
  Walker(PageReader& reader, const PageMap& map) : reader_(reader), map_(map) {}

  // root: pfn of an L4; whatever else it is gives a fault. Throws Error(io).
  Walk walk(uint64_t root, uint64_t vaddr);

 private:
  struct Held {
    std::optional<uint64_t> pfn;
    std::array<std::byte, kPageSize> bytes{};
  };

  // One table of each level is held: neighbours in a range share their tables. nullptr if the image
  // does not have it.
  const Held* table(uint64_t pfn, unsigned level);

  PageReader& reader_;
  const PageMap& map_;
  std::array<Held, 4> held_;
};

}  // namespace ferry::audit
