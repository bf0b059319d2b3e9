// The guest's p2m as a libxc stream has it: pages that still hold machine frames of the source.
// What they said there turns frame numbers elsewhere into pfns, and them into pfn form.
#pragma once

#include <unordered_map>
#include <vector>

#include "convert/survey.h"

namespace ferry::convert {

class P2mOfStream {
 public:
  // Throws Error(bad_image) if a leaf is no page of data.
  explicit P2mOfStream(const Survey& survey);

  bool is_leaf(uint64_t pfn) const;
  // The page of a leaf in pfn form (docs/format.md).
  void leaf_page(uint64_t pfn, std::span<std::byte, kPageSize> out) const;

  bool linear() const { return linear_; }
  uint64_t root_pfn() const { return root_pfn_; }
  // Pages of frame lists, ascending: their contents name frames of the source.
  const std::vector<uint64_t>& list_pfns() const { return list_pfns_; }

 private:
  using Words = std::array<uint64_t, 512>;
  bool read(uint64_t pfn, Words& words) const;
  void find_root(uint64_t p2m_cr3);
  void find_lists(uint64_t list_of_lists);
  // The pfns of machine frames, for those that the p2m has.
  std::unordered_map<uint64_t, uint64_t> pfns_of(const std::vector<uint64_t>& mfns) const;

  const Survey& survey_;
  // Leaf pages, each once, and for which leaf.
  std::vector<std::pair<uint64_t, uint64_t>> uses_;  // pfn, leaf; sorted
  bool linear_ = false;
  uint64_t root_pfn_ = 0;
  std::vector<uint64_t> list_pfns_;
};

}  // namespace ferry::convert
