// Guest memory for tests of the p2m reader: frames by mfn, and builders of both published forms.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "p2m/published.h"

namespace ferry {

using Page = std::array<uint64_t, 512>;

class FakeMemory {
 public:
  // A handle as a mapping would be: counts itself, can only be moved.
  class Mapping {
   public:
    Mapping(const Page* page, int* mapped) : page_(page), mapped_(mapped) { ++*mapped_; }
    Mapping(Mapping&& o) noexcept : page_(o.page_), mapped_(o.mapped_) { ++*mapped_; }
    Mapping& operator=(Mapping&&) = delete;
    ~Mapping() { --*mapped_; }
    explicit operator bool() const { return page_ != nullptr; }
    const uint64_t& operator[](unsigned i) const { return (*page_)[i]; }

   private:
    const Page* page_;
    int* mapped_;
  };

  explicit FakeMemory(uint64_t nr_mfns) : nr_mfns_(nr_mfns) {}

  Mapping frame(mfn_t mfn) {
    EXPECT_LT(mfn.raw(), nr_mfns_) << "asked about a frame beyond the host's memory";
    EXPECT_NE(mfn.raw(), 0u);
    const auto it = pages_.find(mfn.raw());
    Mapping mapping(it == pages_.end() ? nullptr : &it->second, &mapped_);
    most_mapped_ = std::max(most_mapped_, mapped_);
    return mapping;
  }

  uint64_t add(Page page = {}) {
    do next_ += 1 + next_ % 3;
    while ((next_ & (next_ - 1)) == 0);
    pages_[next_] = page;
    return next_;
  }

  Page& operator[](uint64_t mfn) { return pages_.at(mfn); }
  void remove(uint64_t mfn) { pages_.erase(mfn); }
  uint64_t nr_mfns() const { return nr_mfns_; }
  int mapped() const { return mapped_; }
  int most_mapped() const { return most_mapped_; }

 private:
  uint64_t nr_mfns_;
  uint64_t next_ = 0x1000;
  std::map<uint64_t, Page> pages_;
  int mapped_ = 0, most_mapped_ = 0;
};

struct SeenP2m {
  std::vector<uint64_t> leaves;
  std::map<unsigned, std::set<uint64_t>> tables;

  void leaf(uint64_t index, mfn_t mfn) {
    EXPECT_EQ(index, leaves.size());
    leaves.push_back(mfn.raw());
  }
  void table(unsigned level, mfn_t mfn) { tables[level].insert(mfn.raw()); }
};

// Both forms of one list of leaves. Lists and L1 pages whose entries are all `missing` are one
// shared page, as a kernel has it.
struct Published {
  published_p2m arch;
  std::map<unsigned, std::set<uint64_t>> tables;  // by level
};

inline Published publish_tree(FakeMemory& memory, const std::vector<uint64_t>& leaves,
                              uint64_t missing, uint64_t max_pfn) {
  Published p;
  Page missing_page;
  missing_page.fill(missing);
  const uint64_t missing_list = memory.add(missing_page);
  Page top;
  top.fill(missing_list);
  for (size_t first = 0; first < leaves.size(); first += 512) {
    Page list = missing_page;
    std::copy(leaves.begin() + static_cast<long>(first),
              leaves.begin() + static_cast<long>(std::min(first + 512, leaves.size())),
              list.begin());
    const uint64_t mfn = list == missing_page ? missing_list : memory.add(list);
    top[first / 512] = mfn;
    p.tables[1].insert(mfn);
  }
  p.arch.frame_list_list = memory.add(top);
  p.tables[2].insert(p.arch.frame_list_list);
  p.arch.max_pfn = max_pfn;
  return p;
}

inline Published publish_linear(FakeMemory& memory, const std::vector<uint64_t>& leaves,
                                uint64_t missing, uint64_t max_pfn, uint64_t vaddr) {
  Published p;
  const auto entry = [](uint64_t mfn) { return mfn << 12 | 0x8010000000000067; };
  Page missing_page;
  missing_page.fill(entry(missing));
  const uint64_t missing_l1 = memory.add(missing_page);
  const uint64_t root = memory.add();
  p.tables[4].insert(root);
  std::map<uint64_t, Page> l1_pages;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const uint64_t address = vaddr + i * 4096;
    auto [it, is_new] = l1_pages.try_emplace(address >> 21, missing_page);
    it->second[address >> 12 & 511] = entry(leaves[i]);
  }
  for (const auto& [number, page] : l1_pages) {
    uint64_t table = root;
    for (unsigned level = 4; level > 2; --level) {
      const uint64_t index = number << 21 >> (12 + 9 * (level - 1)) & 511;
      if (memory[table][index] == 0) memory[table][index] = entry(memory.add());
      table = memory[table][index] >> 12 & 0xffffffffff;
      p.tables[level - 1].insert(table);
    }
    const uint64_t mfn = page == missing_page ? missing_l1 : memory.add(page);
    memory[table][number & 511] = entry(mfn);
    p.tables[1].insert(mfn);
  }
  p.arch.frame_list_list = ~uint64_t{0};
  p.arch.p2m_cr3 = root << 12;
  p.arch.p2m_vaddr = vaddr;
  p.arch.p2m_generation = 2;
  p.arch.max_pfn = max_pfn;
  return p;
}

}  // namespace ferry
