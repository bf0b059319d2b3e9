// Page tables of scratch guests.
#include "sim/builder/tables.h"

#include <algorithm>
#include <cstring>

#include "error/error.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kTableFlags = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty;

// A value with which a kernel remembers where a page was swapped out to: not present.
uint64_t swap_entry(Random& random) {
  return (random.next() & ~kPtePresent & 0x00ffffffffffffff) | 0x800;
}

uint64_t user_flags(Random& random, bool may_write) {
  uint64_t flags = kPtePresent | kPteUser | kPteAccessed;
  if (may_write && random.chance(50)) flags |= kPteRw;
  if (random.chance(40)) flags |= kPteDirty;
  if (random.chance(40)) flags |= kPteNx;
  if (random.chance(20)) flags |= random.next() & kPteAvail;
  return flags;
}

// User pages: data, now and then a table or descriptor page read-only, holes, swapped-out ones.
void fill_user_l1(Workshop& shop, uint64_t l1) {
  Random& random = shop.random();
  const uint64_t mapped = random.below(60);
  for (uint64_t i = 0; i < mapped; ++i) {
    const auto slot = static_cast<unsigned>(random.below(512));
    if (random.chance(10)) {
      shop.words(l1)[slot] = swap_entry(random);
      continue;
    }
    const bool special = random.chance(5);
    const uint64_t pfn = special ? l1 : shop.some_data_page();
    shop.set_entry(l1, slot, pfn, user_flags(random, !special));
  }
}

}  // namespace

void Workshop::collect_free_pages() {
  for (uint64_t pfn = 0; pfn < guest_.spec.pages; ++pfn)
    if (guest_.roles[pfn] == Role::data) free_.push_back(pfn);
  for (size_t i = free_.size(); i > 1; --i) std::swap(free_[i - 1], free_[random_.below(i)]);
  // Pages that processes may map writable never become anything else.
  const auto kept = static_cast<ptrdiff_t>(free_.size() * 2 / 5);
  data_.assign(free_.begin(), free_.begin() + kept);
  free_.erase(free_.begin(), free_.begin() + kept);
}

uint64_t Workshop::take(Role role, unsigned level) {
  if (free_.empty())
    fail(Errc::usage, "a scratch guest of {} pages is too small", guest_.spec.pages);
  const uint64_t pfn = free_.back();
  free_.pop_back();
  guest_.roles[pfn] = role;
  guest_.levels[pfn] = static_cast<uint8_t>(level);
  memset(bytes(pfn), 0, kPageSize);
  return pfn;
}

uint64_t Workshop::some_data_page() {
  return data_[random_.below(data_.size())];
}

void Workshop::set_entry(uint64_t table, unsigned slot, uint64_t pfn, uint64_t flags) {
  words(table)[slot] = make_pte(mfn_t(mfn(pfn)), flags);
}

LinearMap::LinearMap(Workshop& shop, uint64_t va, uint64_t count)
    : shop_(shop), va_(va), count_(count), l3_(shop.take(Role::table, 3)) {
  const uint64_t tables = (count + 511) / 512;
  uint64_t l2 = 0;
  for (uint64_t i = 0; i < tables; ++i) {
    const uint64_t at = va + (i << (kPageShift + 9));
    if (i == 0 || slot_of(at, 2) == 0) {
      l2 = shop.take(Role::table, 2);
      shop.set_entry(l3_, slot_of(at, 3), l2, kTableFlags);
    }
    l1s_.push_back(shop.take(Role::table, 1));
    shop.set_entry(l2, slot_of(at, 2), l1s_.back(), kTableFlags);
  }
}

void LinearMap::fill(const std::function<Entry(uint64_t)>& entry) {
  for (uint64_t i = 0; i < count_; ++i) {
    const Entry e = entry(i);
    const uint64_t l1 = l1s_[i / 512];
    const unsigned slot = slot_of(va_ + (i << kPageShift), 1);
    if (e.pfn == ~uint64_t{0})
      shop_.words(l1)[slot] = e.flags;
    else
      shop_.set_entry(l1, slot, e.pfn, e.flags);
  }
}

ProcessTables build_process(Workshop& shop,
                            const std::vector<std::pair<unsigned, uint64_t>>& kernel) {
  Random& random = shop.random();
  ProcessTables space{shop.take(Role::table, 4), shop.take(Role::table, 4), {}};
  for (const auto& [slot, l3] : kernel) shop.set_entry(space.kernel_l4, slot, l3, kTableFlags);
  const unsigned slots = 1 + static_cast<unsigned>(random.below(2));
  for (unsigned i = 0; i < slots; ++i) {
    const unsigned slot = i == 0 ? 0 : static_cast<unsigned>(1 + random.below(255));
    const uint64_t l3 = shop.take(Role::table, 3), l2 = shop.take(Role::table, 2);
    shop.set_entry(l3, static_cast<unsigned>(random.below(512)), l2, kTableFlags);
    const uint64_t count = 1 + random.below(2);
    for (uint64_t n = 0; n < count; ++n) {
      const uint64_t l1 = shop.take(Role::table, 1);
      shop.set_entry(l2, static_cast<unsigned>(random.below(256) * 2 + n), l1, kTableFlags);
      fill_user_l1(shop, l1);
      space.l1s.push_back(l1);
    }
    shop.set_entry(space.kernel_l4, slot, l3, kTableFlags);
    shop.set_entry(space.user_l4, slot, l3, kTableFlags);
  }
  return space;
}

}  // namespace ferry::sim
