// Page tables of a scratch guest while it is being built: pages taken from its free ones, entries
// written directly, nothing validated yet.
#pragma once

#include <functional>
#include <vector>

#include "sim/builder/guest_builder.h"
#include "sim/machine/random.h"

namespace ferry::sim {

// The guest under construction: its pages, and which of them are still free.
class Workshop {
 public:
  Workshop(Host& host, ScratchGuest& guest)
      : host_(host), guest_(guest), random_(guest.spec.seed) {}

  Host& host() { return host_; }
  ScratchGuest& guest() { return guest_; }
  Random& random() { return random_; }

  // Makes every page with memory free, in an order of the seed's.
  void collect_free_pages();
  // A page for that use; zeroed. Throws when the guest is too small.
  uint64_t take(Role role, unsigned level = 0);
  // A random page that holds data.
  uint64_t some_data_page();

  uint64_t mfn(uint64_t pfn) const { return guest_.p2m[pfn]; }
  uint64_t* words(uint64_t pfn) { return host_.entries(mfn_t(mfn(pfn))); }
  uint8_t* bytes(uint64_t pfn) { return host_.page(mfn_t(mfn(pfn))); }
  void set_entry(uint64_t table, unsigned slot, uint64_t pfn, uint64_t flags);

 private:
  Host& host_;
  ScratchGuest& guest_;
  Random random_;
  std::vector<uint64_t> free_;
  std::vector<uint64_t> data_;
};

// Maps `count` consecutive pages from a virtual address: entry(i) is the pfn and flags of page i,
// or {~0, value} for a non-present entry of that value. Returns the L3; fill() writes the L1
// entries, once every page has its use.
class LinearMap {
 public:
  LinearMap(Workshop& shop, uint64_t va, uint64_t count);
  uint64_t l3() const { return l3_; }
  const std::vector<uint64_t>& l1s() const { return l1s_; }

  struct Entry {
    uint64_t pfn;
    uint64_t flags;
  };
  void fill(const std::function<Entry(uint64_t)>& entry);

 private:
  Workshop& shop_;
  uint64_t va_, count_;
  uint64_t l3_;
  std::vector<uint64_t> l1s_;
};

// One process: a kernel L4, a user L4, and what both share below 2^47.
struct ProcessTables {
  uint64_t kernel_l4, user_l4;
  std::vector<uint64_t> l1s;
};
ProcessTables build_process(Workshop& shop,
                            const std::vector<std::pair<unsigned, uint64_t>>& kernel);

}  // namespace ferry::sim
