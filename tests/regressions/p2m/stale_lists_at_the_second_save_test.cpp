// Frame lists were not written anew after a resume, or not all of them, so the second save found
// frames of another host. Every frame is another one then; also the second and the third time.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class StaleListsAtTheSecondSave : public testing::Test {};
TYPED_TEST_SUITE(StaleListsAtTheSecondSave, P2mForms);

TYPED_TEST(StaleListsAtTheSecondSave, are_good_each_time) {
  TypeParam g;
  g.start();
  ASSERT_TRUE(g.p2m.set_identity(pfn_t(2048), pfn_t(2560)));
  ASSERT_TRUE(g.p2m.set(pfn_t(300000), kInvalidP2mEntry));
  for (int round = 0; round < 3; ++round) {
    const int64_t allocated = g.kernel.allocated();
    g.p2m.unpublish();
    g.kernel.resume_elsewhere(leaf_pfns(g), g.p2m);
    g.p2m.rebuild_lists();
    g.p2m.publish(g.kernel.shared_info_va());
    EXPECT_EQ(g.kernel.allocated(), allocated) << "a resume has no memory to allocate";
    for (bool tree_form : {false, true}) {
      const ToolView view = tool_view(g, tree_form);
      for (uint64_t pfn = 0; pfn < kPages; ++pfn)
        ASSERT_EQ(tool_entry(g, view, pfn), g.kernel.mfn(pfn)) << pfn;
    }
    EXPECT_EQ(g.p2m.get(pfn_t(2050)), identity_frame(pfn_t(2050)));
    // And it goes on growing.
    ASSERT_TRUE(g.p2m.set(pfn_t(3000 + 600 * static_cast<uint64_t>(round)), kInvalidP2mEntry - 1));
    ASSERT_TRUE(g.p2m.set(pfn_t(3000 + 600 * static_cast<uint64_t>(round)), kInvalidP2mEntry));
  }
}

}  // namespace
}  // namespace ferry
