// When the p2m had moved, more than the builder's list was freed: page tables in use follow it.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

TEST(PageTablesFreedWithTheBuildersList, no_more_than_the_list_is_free) {
  ListGuest g;
  EXPECT_EQ(g.p2m.boot_pages(), 3u);
}

}  // namespace
}  // namespace ferry
