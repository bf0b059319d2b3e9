// A builder can map its p2m apart from the kernel, together with the page tables for it. A kernel
// that maps these pages again early, as writable, is refused by Xen.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(BuildersP2mMappedWritable, is_mapped_read_only_at_first) {
  TestGuest t;
  Page& start_info = t.kernel.memory(t.kernel.start_info().raw());
  start_info[abi::kStartInfoFirstP2mPfn / 8] = 600;
  start_info[abi::kStartInfoNrP2mFrames / 8] = 4;
  ASSERT_TRUE(t.g.boot(t.info));
  for (uint64_t pfn = 595; pfn < 610; ++pfn) {
    const uint64_t writable = pfn >= 600 && pfn < 604 ? 0 : kPteRw;
    EXPECT_EQ(t.g.core.make_pte_value_init(pfn << 12 | 0x63),
              t.kernel.mfn(pfn) << 12 | 0x61 | writable);
    EXPECT_EQ(t.g.core.make_pte_value(pfn << 12 | 0x63), t.kernel.mfn(pfn) << 12 | 0x63);
  }
}

}  // namespace
}  // namespace ferry
