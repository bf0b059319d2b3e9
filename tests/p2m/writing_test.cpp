// The p2m a guest writes, in both forms: entries, neighbours, placeholders, publication, resume.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class WritingP2m : public testing::Test {};
TYPED_TEST_SUITE(WritingP2m, P2mForms);

// Not among the first, where the fake's allocator takes the pages of the p2m itself.
uint64_t arbitrary_pfn() {
  return *rc::gen::oneOf(
      rc::gen::inRange<uint64_t>(200, kPages + 300), rc::gen::inRange<uint64_t>(200, 8192),
      rc::gen::map(rc::gen::inRange<uint64_t>(0, kRoom),
                   [](uint64_t n) { return n / 250000 * 250000 + 200 + n % 3000; }));
}

uint64_t arbitrary_entry(uint64_t pfn) {
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return kInvalidP2mEntry;
    case 1:
      return identity_frame(pfn_t(pfn));
    case 2:
      return foreign_frame(mfn_t(*rc::gen::inRange<uint64_t>(1, kNrMfns)));
    default:
      return *rc::gen::inRange<uint64_t>(1, kNrMfns);
  }
}

// All pfns that were ever touched, and some that were not, against a plain map.
template <typename Guest>
void check_all(Guest& g, const std::map<uint64_t, uint64_t>& model) {
  const auto expected = [&](uint64_t pfn) {
    const auto it = model.find(pfn);
    return it != model.end() ? it->second : pfn < kPages ? g.kernel.mfn(pfn) : kInvalidP2mEntry;
  };
  const auto check = [&](uint64_t pfn) {
    RC_ASSERT(g.p2m.get(pfn_t(pfn)) == expected(pfn));
    if (p2m_kind_of(expected(pfn)) != p2m_kind::invalid) RC_ASSERT(pfn < g.p2m.max_pfn());
  };
  for (uint64_t pfn = 0; pfn < 8192; ++pfn) check(pfn);
  for (const auto& [pfn, entry] : model)
    for (uint64_t p = pfn < 600 ? 0 : pfn - 600; p < pfn + 600 && p < kRoom; p += 7) check(p);
  for (const auto& [pfn, entry] : model) check(pfn);
}

template <typename Guest>
void check_published(Guest& g, const std::map<uint64_t, uint64_t>& model) {
  for (bool tree_form : {false, true}) {
    const ToolView view = tool_view(g, tree_form);
    const auto check = [&](uint64_t pfn) {
      const uint64_t own = g.p2m.get(pfn_t(pfn)), seen = tool_entry(g, view, pfn);
      // A placeholder of identity shows as missing to the toolstack.
      if (seen != own)
        RC_ASSERT(p2m_kind_of(own) == p2m_kind::identity && seen == kInvalidP2mEntry);
    };
    for (uint64_t pfn = 0; pfn < 8192; ++pfn) check(pfn);
    for (const auto& [pfn, entry] : model) check(pfn);
  }
}

TYPED_TEST(WritingP2m, every_entry_reads_back_and_disturbs_no_other) {
  EXPECT_TRUE(rc::check([] {
    TypeParam g(*rc::gen::arbitrary<uint32_t>());
    std::map<uint64_t, uint64_t> model;
    if (*rc::gen::arbitrary<bool>()) g.start();
    for (int n = *rc::gen::inRange(1, 40); n > 0; --n) {
      const uint64_t pfn = arbitrary_pfn(), entry = arbitrary_entry(pfn);
      const uint64_t before = g.p2m.get(pfn_t(pfn));
      if (*rc::gen::arbitrary<bool>()) {
        const int64_t allocated = g.kernel.allocated();
        const bool stored = g.p2m.try_set(pfn_t(pfn), entry);
        RC_ASSERT(g.kernel.allocated() == allocated);
        RC_ASSERT(g.p2m.get(pfn_t(pfn)) == (stored ? entry : before));
        if (stored) model[pfn] = entry;
      } else {
        RC_ASSERT(g.p2m.set(pfn_t(pfn), entry));
        model[pfn] = entry;
      }
    }
    check_all(g, model);
    g.start();
    check_published(g, model);
  }));
}

TYPED_TEST(WritingP2m, try_set_is_false_exactly_when_a_leaf_is_needed) {
  TypeParam g;
  const pfn_t far(700000);
  EXPECT_TRUE(g.p2m.try_set(far, kInvalidP2mEntry));
  EXPECT_FALSE(g.p2m.try_set(far, 77));
  EXPECT_FALSE(g.p2m.try_set(far, identity_frame(far)));
  EXPECT_TRUE(g.p2m.set_identity(pfn_t(700000 / 512 * 512), pfn_t(700000 / 512 * 512 + 512)));
  EXPECT_TRUE(g.p2m.try_set(far, identity_frame(far)));
  EXPECT_FALSE(g.p2m.try_set(far, identity_frame(far + 1)));
  EXPECT_FALSE(g.p2m.try_set(far, kInvalidP2mEntry));
  EXPECT_FALSE(g.p2m.try_set(far, 77)) << "never through the shared identity leaf";
  EXPECT_EQ(g.p2m.get(far), identity_frame(far));
  EXPECT_TRUE(g.p2m.set(far, 77));
  EXPECT_TRUE(g.p2m.try_set(far, 78));
  EXPECT_TRUE(g.p2m.try_set(far + 1, 79));
}

TYPED_TEST(WritingP2m, an_identity_range_reads_as_identity_and_nothing_else_does) {
  EXPECT_TRUE(rc::check([] {
    TypeParam g;
    g.start();
    const uint64_t first = *rc::gen::inRange<uint64_t>(1536, 9000);
    const uint64_t end = first + *rc::gen::inRange<uint64_t>(0, 3000);
    RC_ASSERT(g.p2m.set_identity(pfn_t(first), pfn_t(end)));
    for (uint64_t pfn = 1536; pfn < 13000; ++pfn)
      RC_ASSERT(g.p2m.get(pfn_t(pfn)) ==
                (pfn >= first && pfn < end ? identity_frame(pfn_t(pfn)) : kInvalidP2mEntry));
    check_published(g, {});
  }));
}

// However early memory runs out: the p2m reads as before, and the same call works when there is
// memory again.
TYPED_TEST(WritingP2m, running_out_of_memory_changes_nothing) {
  for (int64_t pages = 0; pages < 4; ++pages) {
    TypeParam g;
    g.start();
    const int64_t before = g.kernel.allocated();
    g.kernel.set_free_pages(pages);
    const pfn_t pfn(512 * 512 + 5);
    const bool done = g.p2m.set(pfn, 77);
    EXPECT_EQ(done, pages == 3) << "a mid or L1 page, a list and a leaf";
    EXPECT_EQ(g.p2m.get(pfn), done ? 77 : kInvalidP2mEntry);
    if (!done) {
      // A private L1 page may stay: it says the same as the shared one.
      EXPECT_LE(g.kernel.allocated(), before + TypeParam::kLinear);
      EXPECT_EQ(tool_view(g, false).leaves.size(), tool_view(g, true).leaves.size());
      g.p2m.rebuild_lists();
      g.kernel.set_free_pages(-1);
      EXPECT_TRUE(g.p2m.set(pfn, 77));
    }
    EXPECT_EQ(tool_entry(g, tool_view(g, true), pfn.raw()), 77u);
    EXPECT_EQ(tool_entry(g, tool_view(g, false), pfn.raw()), 77u);
  }
}

// At every moment, whatever has been stored so far: the lists can be read, and what was set before
// the change that is going on is there. Two runs, so that the second save is covered as well.
TYPED_TEST(WritingP2m, lists_can_be_read_after_every_single_store) {
  TypeParam g;
  g.start();
  ASSERT_TRUE(g.p2m.set_identity(pfn_t(2048), pfn_t(4096)));
  bool reading = false;
  int reads = 0;
  g.kernel.after_store = [&] {
    if (reading || ++reads % 37 != 0) return;
    reading = true;
    const published_p2m arch = published_p2m_of(g.kernel.page(0).data());
    for (bool tree_form : {false, true}) {
      if (!tree_form && (arch.p2m_generation & 1) != 0) continue;
      const ToolView view = tool_view(g, tree_form);
      EXPECT_EQ(tool_entry(g, view, 700), g.kernel.mfn(700));
    }
    reading = false;
  };
  for (uint64_t pfn : {1290u, 1600u, 2100u, 2600u, 300000u, 600001u})
    EXPECT_TRUE(g.p2m.set(pfn_t(pfn), 1000 + pfn));
  EXPECT_GT(reads, 1000);
}

TYPED_TEST(WritingP2m, mfn_to_pfn_believes_only_the_round_trip) {
  TypeParam g;
  const m2p_table m2p;
  const auto to_pfn = [&](uint64_t mfn) { return mfn_to_pfn(g.kernel, g.p2m, m2p, mfn_t(mfn)); };
  uint64_t own = 0;
  for (uint64_t pfn = 0; pfn < kPages; ++pfn) {
    if (g.kernel.mfn(pfn) % 7 == 3) continue;  // behind a hole of the fake's M2P
    EXPECT_EQ(to_pfn(g.kernel.mfn(pfn)), pfn);
    ++own;
  }
  EXPECT_GT(own, kPages / 2);
  for (uint64_t mfn = 1; mfn < 5000; ++mfn) EXPECT_EQ(to_pfn(mfn), kInvalidPfn) << mfn;
  EXPECT_EQ(to_pfn(kM2pEntries), kInvalidPfn);
  EXPECT_EQ(to_pfn(~uint64_t{0}), kInvalidPfn);

  uint64_t pfn = 700;
  while (g.kernel.mfn(pfn) % 7 == 3) ++pfn;
  const uint64_t mfn = g.kernel.mfn(pfn);
  ASSERT_TRUE(g.p2m.set(pfn_t(pfn), foreign_frame(mfn_t(mfn))));
  EXPECT_EQ(to_pfn(mfn), kInvalidPfn) << "marked foreign";
  ASSERT_TRUE(g.p2m.set(pfn_t(pfn), kInvalidP2mEntry));
  EXPECT_EQ(to_pfn(mfn), kInvalidPfn) << "ballooned out";
  ASSERT_TRUE(g.p2m.set_identity(pfn_t(5000), pfn_t(6000)));
  EXPECT_EQ(to_pfn(5500), 5500u);
  EXPECT_EQ(to_pfn(6000), kInvalidPfn);
}

// What came over in shared_info from another host must not say that there is a linear list.
TEST(WritingP2mTree, publishing_a_tree_takes_back_a_stale_p2m_cr3) {
  TreeGuest g;
  g.kernel.page(0)[kSharedInfoP2mCr3 / 8] = 0x123000;
  g.start();
  EXPECT_FALSE(published_p2m_of(g.kernel.page(0).data()).linear());
}

TEST(WritingP2mList,
     generation_is_even_at_rest_and_rises_by_two_for_each_mapping_and_for_no_entry) {
  ListGuest g;
  g.start();
  const auto generation = [&] { return g.kernel.page(0)[kSharedInfoP2mGeneration / 8]; };
  EXPECT_EQ(generation(), 0u);
  ASSERT_TRUE(g.p2m.set(pfn_t(700), 5));
  EXPECT_EQ(generation(), 0u);
  ASSERT_TRUE(g.p2m.set(pfn_t(2000), 5));
  EXPECT_EQ(generation(), 2u);
  ASSERT_TRUE(g.p2m.set(pfn_t(300000), 5));
  EXPECT_EQ(generation(), 6u) << "an L1 page and a leaf";
  ASSERT_TRUE(g.p2m.set_identity(pfn_t(4096), pfn_t(5120)));
  EXPECT_EQ(generation(), 10u);
}

TEST(WritingP2mList, placeholders_are_only_mapped_read_only) {
  ListGuest g;
  g.start();
  ASSERT_TRUE(g.p2m.set_identity(pfn_t(2048), pfn_t(4096)));
  ASSERT_TRUE(g.p2m.set(pfn_t(300000), 5));
  std::map<uint64_t, int> mapped;
  for (uint64_t leaf = 0; leaf < kRoom / 512; ++leaf)
    ++mapped[g.kernel.l1_entry(kArea + leaf * 4096) >> 12 & 0xffffffffff];
  for (uint64_t leaf = 0; leaf < kRoom / 512; ++leaf) {
    const uint64_t e = g.kernel.l1_entry(kArea + leaf * 4096);
    EXPECT_EQ((e & 2) != 0, mapped[e >> 12 & 0xffffffffff] == 1) << leaf;
  }
}

TEST(WritingP2mList, can_be_published_alone_for_a_toolstack_that_knows_it) {
  ListGuest g;
  g.p2m.publish(g.kernel.shared_info_va());
  EXPECT_EQ(published_p2m_of(g.kernel.page(0).data()).frame_list_list, ~uint64_t{0});
  const ToolView view = tool_view(g, false);
  for (uint64_t pfn = 0; pfn < kPages; ++pfn)
    EXPECT_EQ(tool_entry(g, view, pfn), g.kernel.mfn(pfn));
}

TEST(WritingP2mList, beyond_its_end_is_nothing_or_with_devices_identity) {
  ListGuest g;
  EXPECT_EQ(g.p2m.get(pfn_t(kRoom)), kInvalidP2mEntry);
  EXPECT_FALSE(g.p2m.set(pfn_t(kRoom), 5));
  g.p2m.set_beyond_end(true);
  EXPECT_EQ(g.p2m.get(pfn_t(kRoom + 9)), identity_frame(pfn_t(kRoom + 9)));
  EXPECT_EQ(mfn_to_pfn(g.kernel, g.p2m, {}, mfn_t(kRoom + 9)), kRoom + 9);
}

TEST(WritingP2mList, an_area_too_small_or_askew_is_refused) {
  FakeKernel kernel(kPages);
  p2m_list<FakeKernel, FakeKernel> p2m(kernel, kernel);
  ASSERT_TRUE(p2m.init(kernel.mfn_list_va(), kPages));
  EXPECT_FALSE(p2m.build(kArea + 4096, kRoom));
  EXPECT_FALSE(p2m.build(kArea, 1024));
  EXPECT_EQ(p2m.get(pfn_t(3)), kernel.mfn(3));
  EXPECT_TRUE(p2m.try_set(pfn_t(3), 5));
  EXPECT_EQ(p2m.get(pfn_t(3)), 5u);
  EXPECT_FALSE(p2m.set(pfn_t(5000), 5)) << "the builder's list does not grow";
}

}  // namespace
}  // namespace ferry
