// Processes of the test kernel: address spaces that map, unmap, protect, fork and exit through the
// guest half, and know what they should look like.
#pragma once

#include <rapidcheck.h>

#include <map>

#include "tests/guest/test_guest.h"

namespace ferry {

constexpr uint64_t kUserFlags = kPtePresent | kPteUser;

class AddressSpace {
 public:
  explicit AddressSpace(TestGuest& guest) : g_(guest) {
    if (!g_.kernel.alloc_page(pgd_) || !g_.g.tables.pgd_alloc(pgd_))
      throw std::logic_error("out of memory");
  }

  pfn_t pgd() const { return pgd_; }
  bool pinned() const { return g_.kernel.page(pgd_).pinned; }
  const std::map<uint64_t, uint64_t>& model() const { return model_; }

  // Where the L1 entry for va is; its table exists.
  uint64_t pte_address(uint64_t va) const { return table_entry(va, 1); }

  void map(uint64_t va, bool rw) {
    pfn_t data;
    if (!g_.kernel.alloc_page(data)) return;
    g_.kernel.store(g_.kernel.va_of(data), va);
    const uint64_t at = entry(va, true);
    unmap(va);
    const uint64_t value = data.raw() << 12 | kUserFlags | (rw ? kPteRw : 0);
    g_.g.tables.set_pte(at, g_.g.core.make_pte_value(value));
    model_[va] = value;
  }
  void unmap(uint64_t va) {
    const auto it = model_.find(va);
    if (it == model_.end()) return;
    g_.g.tables.set_pte(entry(va, false), 0);
    freed_.push_back(it->second >> 12);
    model_.erase(it);
  }
  void protect(uint64_t va, bool rw) {
    const auto it = model_.find(va);
    if (it == model_.end()) return;
    const uint64_t at = entry(va, false);
    g_.g.core.calls.flush();  // in lazy mode the entry may not be there yet
    uint64_t value = g_.g.tables.modify_prot_start(at) & ~kPteRw;
    if (rw) value |= kPteRw;
    g_.g.tables.modify_prot_commit(at, value);
    it->second = (it->second & ~kPteRw) | (rw ? kPteRw : 0);
  }
  // What the kernel does once the hypercalls were made: pages and tables go back.
  void settle() {
    for (uint64_t pfn : freed_) g_.kernel.free_page(pfn_t(pfn));
    freed_.clear();
  }

  // Drops one L1 with all it maps, as munmap of a large range does.
  void drop_l1(uint64_t va) {
    const uint64_t base = va >> 21 << 21;
    while (model_.lower_bound(base) != model_.end() &&
           model_.lower_bound(base)->first >> 21 == va >> 21)
      unmap(model_.lower_bound(base)->first);
    const auto it = tables_.find({1, va >> 21});
    if (it == tables_.end()) return;
    g_.g.tables.set_table_entry(table_entry(va, 2), 0);
    g_.g.tables.release_table(pfn_t(it->second));
    freed_.push_back(it->second);
    tables_.erase(it);
  }

  void destroy() {
    g_.g.pins.exit_mmap(pgd_);
    for (const auto& [va, value] : model_) freed_.push_back(value >> 12);
    for (const auto& [key, pfn] : tables_) {
      g_.g.tables.release_table(pfn_t(pfn));
      freed_.push_back(pfn);
    }
    g_.g.tables.pgd_free(pgd_);
    freed_.push_back(pgd_.raw());
    settle();
    model_.clear();
  }

  // The tables in memory say what the model says, in both L4s.
  void check() const {
    const uint64_t user = g_.kernel.page(pgd_).user_pgd;
    for (unsigned slot = 0; slot < kUserSlots; ++slot)
      RC_ASSERT((g_.kernel.memory(pgd_.raw())[slot] | kPteUser | kPteAccessed) ==
                (g_.kernel.memory(user)[slot] | kPteUser | kPteAccessed));
    std::map<uint64_t, uint64_t> seen;
    collect(pgd_.raw(), 4, 0, seen);
    RC_ASSERT(seen == model_);
    for (const auto& [key, pfn] : tables_) RC_ASSERT(g_.kernel.page(pfn_t(pfn)).pinned == pinned());
  }

 private:
  void collect(uint64_t table, unsigned level, uint64_t va,
               std::map<uint64_t, uint64_t>& seen) const {
    for (uint64_t i = 0; i < (level == 4 ? kUserSlots : 512); ++i) {
      const uint64_t e = g_.kernel.memory(table)[i];
      if ((e & kPtePresent) == 0) continue;
      const uint64_t at = va | i << (12 + 9 * (level - 1));
      const uint64_t pfn = g_.g.core.p2m.mfn_to_pfn(frame_of(machine_pte{e}));
      if (level > 1)
        collect(pfn, level - 1, at, seen);
      else
        seen[at] = pfn << 12 | (e & (kPtePresent | kPteRw | kPteUser));
    }
  }

  // Address in the direct map of the entry for va in the table of that level.
  uint64_t table_entry(uint64_t va, unsigned level) const {
    const uint64_t table = level == 4 ? pgd_.raw() : tables_.at({level, va >> (12 + 9 * level)});
    return g_.kernel.va_of(pfn_t(table)) + 8 * (va >> (12 + 9 * (level - 1)) & 511);
  }
  uint64_t entry(uint64_t va, bool make) {
    for (unsigned level = 3; level > 0 && make; --level) {
      const std::pair<unsigned, uint64_t> key{level, va >> (12 + 9 * level)};
      if (tables_.contains(key)) continue;
      pfn_t pfn;
      if (!g_.kernel.alloc_page(pfn)) throw std::logic_error("out of memory");
      fill_page(g_.kernel, g_.kernel.va_of(pfn), 0);
      pt_level pt{};
      if (!pt_level_of(level, pt)) throw std::logic_error("level");
      g_.g.tables.alloc_table(pgd_, pfn, pt);
      const uint64_t at = table_entry(va, level + 1);
      const uint64_t value = g_.g.core.make_pte_value(pfn.raw() << 12 | kTableFlags);
      if (level == 3)
        g_.g.tables.set_p4d(at, value);
      else
        g_.g.tables.set_table_entry(at, value);
      tables_[key] = pfn.raw();
    }
    return table_entry(va, 1);
  }

  TestGuest& g_;
  pfn_t pgd_;
  std::map<uint64_t, uint64_t> model_;                        // va to pfn form
  std::map<std::pair<unsigned, uint64_t>, uint64_t> tables_;  // level, va part to pfn
  std::vector<uint64_t> freed_;
};

}  // namespace ferry
