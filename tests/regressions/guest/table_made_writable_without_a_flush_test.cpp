// Pages that had been page tables of the builder were made writable again, but the CPU still knew
// them as read-only: the next store to one faulted, long before there was a handler.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(TableMadeWritableWithoutAFlush, flushes_its_address) {
  TestGuest t;
  t.booted();
  pfn_t page;
  ASSERT_TRUE(t.kernel.alloc_page(page));
  const uint64_t va = t.kernel.va_of(page);
  for (const uint64_t flags : {kKernelReadOnly, kKernelReadWrite}) {
    t.xen.flushed.clear();
    t.g.core.remap_now(page, flags);
    EXPECT_EQ(t.xen.flushed.at(va), abi::kUvmfInvlpg);
  }
  fill_page(t.kernel, va, 0);
  t.g.tables.alloc_table_init(page, PT_PTE);
  t.xen.flushed.clear();
  t.g.tables.release_table_init(page, PT_PTE);
  EXPECT_EQ(t.xen.flushed.at(va), abi::kUvmfInvlpg);
}

}  // namespace
}  // namespace ferry
