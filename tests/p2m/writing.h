// Guests that write a p2m, one in each form, and what the toolstack sees of it.
#pragma once

#include <gtest/gtest.h>

#include "tests/p2m/fake_kernel.h"

namespace ferry {

constexpr uint64_t kPages = 1300;          // not a multiple of a leaf
constexpr uint64_t kRoom = 512 * 512 * 3;  // pfns the list can grow to
constexpr uint64_t kNrMfns = 0x2000000;

struct TreeGuest {
  static constexpr bool kLinear = false;
  explicit TreeGuest(uint32_t seed = 1) : kernel(kPages, seed), p2m(kernel) {
    EXPECT_TRUE(p2m.init(kernel.mfn_list_va(), kPages));
  }
  void start() {
    ASSERT_TRUE(p2m.build_lists());
    p2m.publish(kernel.shared_info_va());
  }
  FakeKernel kernel;
  p2m_tree<FakeKernel> p2m;
};

struct ListGuest {
  static constexpr bool kLinear = true;
  explicit ListGuest(uint32_t seed = 1) : kernel(kPages, seed), p2m(kernel, kernel) {
    EXPECT_TRUE(p2m.init(kernel.mfn_list_va(), kPages));
    EXPECT_TRUE(p2m.build(kArea, kRoom));
  }
  void start() {
    ASSERT_TRUE(p2m.build_lists());
    p2m.publish(kernel.shared_info_va());
  }
  FakeKernel kernel;
  p2m_list<FakeKernel, FakeKernel> p2m;
};

using P2mForms = testing::Types<TreeGuest, ListGuest>;

// What the toolstack sees of a pfn, through what is published.
struct ToolView {
  std::vector<uint64_t> leaves;
  uint64_t nr_pfns = 0;
  bool same_leaf_after_end = true;
  void leaf(uint64_t, mfn_t mfn) { leaves.push_back(mfn.raw()); }
  void table(unsigned, mfn_t) {}
};

template <typename Guest>
ToolView tool_view(Guest& g, bool tree_form) {
  published_p2m arch = published_p2m_of(g.kernel.page(0).data());
  if (tree_form) arch.p2m_cr3 = 0;
  ToolView view;
  const p2m_read_result r = read_published_p2m(arch, {.nr_mfns = kNrMfns}, g.kernel, view);
  EXPECT_TRUE(r.ok()) << text_of(r.fault) << " level " << r.level << " index " << r.index;
  view.nr_pfns = r.nr_pfns;
  return view;
}

template <typename Guest>
uint64_t tool_entry(Guest& g, const ToolView& view, uint64_t pfn) {
  if (pfn / 512 >= view.leaves.size()) return kInvalidP2mEntry;
  return g.kernel.frame(mfn_t(view.leaves[pfn / 512]))[pfn % 512];
}

template <typename Guest>
std::vector<uint64_t> leaf_pfns(Guest& g) {
  std::set<uint64_t> pfns;
  for (uint64_t leaf : tool_view(g, false).leaves)
    for (uint64_t pfn = 0; pfn < kPages; ++pfn)
      if (g.kernel.mfn(pfn) == leaf) pfns.insert(pfn);
  return {pfns.begin(), pfns.end()};
}

}  // namespace ferry
