// A kernel's memory for tests of the p2m it writes: pages behind a direct map, a list area behind
// page tables of its own, and stores to read-only mappings that fault.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

#include "p2m/list.h"
#include "p2m/m2p.h"
#include "p2m/tree.h"
#include "tests/p2m/fake_memory.h"

namespace ferry {

constexpr uint64_t kDirect = 0xffff880000000000;
constexpr uint64_t kArea = 0xffffc90000000000;

class FakeKernel {
 public:
  // Of its nr_pages the first ones hold the builder's p2m and shared_info (page 0), most of the
  // others are free. The list's tail is garbage.
  explicit FakeKernel(uint64_t nr_pages, uint32_t seed = 1)
      : random_(seed), nr_pages_(nr_pages), pages_(nr_pages) {
    list_pages_ = (nr_pages + 511) / 512;
    renumber();
    for (uint64_t i = 0; i < list_pages_ * 512; ++i)
      page(1 + i / 512)[i % 512] = i < nr_pages ? mfns_[i] : random_() >> 20;
    next_free_ = 1 + list_pages_;
  }

  // Gives every page another machine frame, as a resume elsewhere does.
  void renumber() {
    mfns_.clear();
    m2p_.clear();
    while (mfns_.size() < nr_pages_) {
      const uint64_t mfn = 0x100000 + random_() % 0x1000000;
      if (m2p_.try_emplace(mfn, mfns_.size()).second) mfns_.push_back(mfn);
    }
  }

  uint64_t mfn_list_va() const { return kDirect + 4096; }
  uint64_t shared_info_va() const { return kDirect; }
  uint64_t mfn(uint64_t pfn) const { return mfns_.at(pfn); }
  uint64_t nr_pages() const { return nr_pages_; }
  void set_free_pages(int64_t n) { free_pages_ = n; }
  int64_t allocated() const { return allocated_; }
  // Called before a page is allocated: another CPU's chance.
  std::function<void()> before_alloc;

  // kernel_memory
  uint64_t load(uint64_t va) { return *at(va, false); }
  void store(uint64_t va, uint64_t value) {
    uint64_t* p = at(va, true);
    if (p == nullptr) throw std::logic_error("store to a read-only mapping");
    *p = value;
    if (after_store) after_store();
  }
  bool try_load(uint64_t va, uint64_t& value) {
    if (va < kM2pVa || va >= kM2pVa + 8 * kM2pEntries) throw std::logic_error("not the M2P");
    const uint64_t mfn = (va - kM2pVa) / 8;
    if (mfn % 7 == 3) return false;  // a hole of the table
    const auto it = m2p_.find(mfn);
    value = it == m2p_.end() ? mfn % 5 : it->second;  // frames of others have numbers like ours
    return true;
  }
  bool try_store(uint64_t va, uint64_t value) {
    uint64_t* p = at(va, true);
    if (p == nullptr) return false;
    *p = value;
    return true;
  }
  uint64_t va_of(pfn_t pfn) const { return kDirect + pfn.raw() * 4096; }
  pfn_t pfn_of(uint64_t va) const { return pfn_t((va - kDirect) / 4096); }
  bool alloc_page(pfn_t& pfn) {
    if (locked_) throw std::logic_error("allocation under the p2m lock");
    if (before_alloc) std::exchange(before_alloc, nullptr)();
    if (free_pages_ == 0) return false;
    if (free_pages_ > 0) --free_pages_;
    ++allocated_;
    if (!freed_.empty()) {
      pfn = pfn_t(freed_.back());
      freed_.pop_back();
    } else {
      pfn = pfn_t(next_free_++);
    }
    for (uint64_t& e : page(pfn.raw())) e = 0xdeaddeaddead;
    return true;
  }
  void free_page(pfn_t pfn) {
    --allocated_;
    freed_.push_back(pfn.raw());
  }
  void lock_p2m() { locked_ = !locked_ ? true : throw std::logic_error("lock taken twice"); }
  void unlock_p2m() { locked_ = false; }
  [[noreturn]] void bug(const char* what) { throw std::logic_error(what); }

  // The Map of p2m_list. An L4, an L3 and an L2 for the area; L1s come from the list.
  uint64_t l2_entry(uint64_t va) { return l2()[(va - kArea) >> 21]; }
  uint64_t l1_entry(uint64_t va) {
    const uint64_t e = l2_entry(va);
    return e == 0 ? 0 : page_at(e)[va >> 12 & 511];
  }
  void set_l2_entry(uint64_t va, uint64_t entry) { l2()[(va - kArea) >> 21] = entry; }
  void set_l1_entry(uint64_t va, uint64_t entry) { page_at(l2_entry(va))[va >> 12 & 511] = entry; }
  bool reserve(uint64_t va, uint64_t bytes) {
    pfn_t l4, l3, l2;
    if (va != kArea || bytes > uint64_t{1} << 30) throw std::logic_error("not the area");
    if (!alloc_page(l4) || !alloc_page(l3) || !alloc_page(l2)) return false;
    tables_ = {l4.raw(), l3.raw(), l2.raw()};
    for (uint64_t t : tables_) page(t) = {};
    link_tables();
    return true;
  }
  // After a renumbering: what the toolstack's localising does to page tables.
  void link_tables() {
    page(tables_[0])[kArea >> 39 & 511] = mfns_[tables_[1]] << 12 | 0x67;
    page(tables_[1])[kArea >> 30 & 511] = mfns_[tables_[2]] << 12 | 0x67;
  }
  void make_l1(pfn_t pfn) { l1s_.insert(pfn.raw()); }
  void unmake_l1(pfn_t pfn) { l1s_.erase(pfn.raw()); }
  mfn_t root() const { return mfn_t(mfns_[tables_[0]]); }

  // A save and a restore: every frame changes, the toolstack rewrites page tables and leaves.
  template <typename P2m>
  void resume_elsewhere(const std::vector<uint64_t>& leaf_pfns, const P2m&) {
    const std::vector<uint64_t> old = mfns_;
    std::map<uint64_t, uint64_t> renamed;
    renumber();
    for (uint64_t pfn = 0; pfn < nr_pages_; ++pfn) renamed[old[pfn]] = mfns_[pfn];
    for (uint64_t pfn : leaf_pfns)
      for (uint64_t& e : page(pfn))
        if (p2m_kind_of(e) == p2m_kind::own) e = renamed.at(e);
    if (tables_.empty()) return;
    link_tables();
    const auto localise = [&](uint64_t& e) {
      if (e != 0) e = (e & 0xfff0000000000fff) | renamed.at(e >> 12 & 0xffffffffff) << 12;
    };
    for (uint64_t& e : l2()) localise(e);
    for (uint64_t l1 : l1s_)
      for (uint64_t& e : page(l1)) localise(e);
  }

  // What the toolstack can read: frames by mfn.
  const uint64_t* frame(mfn_t mfn) {
    const auto it = m2p_.find(mfn.raw());
    return it == m2p_.end() ? nullptr : page(it->second).data();
  }
  Page& page(uint64_t pfn) { return pages_.at(pfn); }
  bool is_l1(uint64_t pfn) const { return l1s_.contains(pfn); }
  std::function<void()> after_store;

 private:
  Page& l2() { return page(tables_.at(2)); }
  Page& page_at(uint64_t entry) { return page(m2p_.at(entry >> 12 & 0xffffffffff)); }
  uint64_t* at(uint64_t va, bool write) {
    if (va % 8 != 0) throw std::logic_error("misaligned");
    if (va >= kArea) {
      const uint64_t e = l1_entry(va);
      if ((e & 1) == 0) throw std::logic_error("not mapped");
      if (write && (e & 2) == 0) return nullptr;
      return &page_at(e)[va >> 3 & 511];
    }
    const uint64_t pfn = (va - kDirect) >> 12;
    if (va < kDirect || pfn >= nr_pages_) throw std::logic_error("not in the direct map");
    if (write && is_l1(pfn)) return nullptr;
    return &page(pfn)[va >> 3 & 511];
  }

  std::mt19937_64 random_;
  uint64_t nr_pages_, list_pages_;
  std::vector<Page> pages_;
  std::vector<uint64_t> mfns_;
  std::map<uint64_t, uint64_t> m2p_;
  uint64_t next_free_ = 0;
  std::vector<uint64_t> freed_, tables_;
  std::set<uint64_t> l1s_;
  int64_t free_pages_ = -1, allocated_ = 0;
  bool locked_ = false;
};

}  // namespace ferry
