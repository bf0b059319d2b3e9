// The platform's own engine cuts off the last GiB of a list that does not begin at a multiple of 1
// GiB, has more than one L2 entry, and ends with one unlike the others: it compares an index
// relative to the first with an absolute one.
#include <gtest/gtest.h>

#include "tests/p2m/published_case.h"

namespace ferry {
namespace {

TEST(LastGibOfAnUnalignedListCutOff, is_kept) {
  Case c;
  c.missing = c.memory.add();
  for (unsigned i = 0; i < 512 * 3; ++i) c.leaves.push_back(0x10000 + 2 * i);
  c.max_pfn = c.leaves.size() * 512;
  for (uint64_t vaddr : {0xffffc90000000000 + 5 * 0x200000, 0xffffc90000000000 + 0x3ff * 4096}) {
    c.published = publish_linear(c.memory, c.leaves, c.missing, c.max_pfn, vaddr);
    SeenP2m seen;
    const p2m_read_result r = c.read(seen);
    ASSERT_TRUE(r.ok());
    EXPECT_EQ(seen.leaves, c.leaves);
    EXPECT_EQ(r.nr_pfns, c.max_pfn);
  }
}

}  // namespace
}  // namespace ferry
