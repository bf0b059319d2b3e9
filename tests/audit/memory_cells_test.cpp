// The map of a guest's memory counts every page once, and those that were sent again.
#include "audit/memory_cells.h"

#include <gtest/gtest.h>

#include "audit/census.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"

namespace ferry::audit {
namespace {

using G = test::TestGuest;

Census census_of(const G& guest) {
  const test::MemoryFile file(test::build(guest));
  InlineExecutor executor;
  return take_census(ImageFile::open(file.path()), executor);
}

MemoryCells cells_of(const G& guest, size_t most) {
  const test::MemoryFile file(test::build(guest));
  return memory_cells(PageMap::load(ImageFile::open(file.path())), most);
}

TEST(MemoryCells, are_single_pages_of_a_small_guest) {
  const MemoryCells memory = cells_of(G(), 2048);
  EXPECT_EQ(memory.pages_per_cell, 1u);
  ASSERT_EQ(memory.cells.size(), G::kPfns);
  const auto is = [&](uint64_t pfn, PageClass page_class) {
    return memory.cells[pfn].of(page_class) == 1 && memory.cells[pfn].total() == 1;
  };
  EXPECT_TRUE(is(G::kKernelL4, PageClass::l4));
  EXPECT_TRUE(is(G::kKernelL3, PageClass::l3));
  EXPECT_TRUE(is(G::kUserL2, PageClass::l2));
  EXPECT_TRUE(is(G::kKernelL1, PageClass::l1)) << "pinned or not";
  EXPECT_TRUE(is(G::kLeaf1, PageClass::p2m_leaf));
  EXPECT_TRUE(is(G::kData, PageClass::data));
  EXPECT_TRUE(is(G::kZero, PageClass::zero));
  EXPECT_TRUE(is(G::kAbsent, PageClass::absent));
}

TEST(MemoryCells, name_what_the_image_does_not) {
  G guest;
  guest.unmentioned = {G::kAbsent, G::kAbsent + 1};
  EXPECT_EQ(cells_of(guest, 2048).sum().of(PageClass::unmentioned), 2u);
}

TEST(MemoryCells, are_as_small_as_their_number_allows_and_count_every_page_once) {
  const MemoryCell whole = cells_of(G(), 2048).sum();
  EXPECT_EQ(whole.total(), G::kPfns);
  for (const size_t most : {1u, 2u, 3u, 7u, 64u, 599u, 600u, 601u}) {
    const MemoryCells memory = cells_of(G(), most);
    EXPECT_LE(memory.cells.size(), most);
    EXPECT_EQ(memory.pages_per_cell & (memory.pages_per_cell - 1), 0u) << "a power of two";
    EXPECT_TRUE(memory.pages_per_cell == 1 || 2 * memory.cells.size() + 2 > most);
    EXPECT_EQ(memory.sum(), whole);
    for (size_t i = 0; i + 1 < memory.cells.size(); ++i)
      EXPECT_EQ(memory.cells[i].total(), memory.pages_per_cell);
  }
}

TEST(MemoryCells, of_a_live_save_know_what_was_sent_again) {
  G guest;
  guest.head.set_live(true);
  guest.earlier[G::kData] = guest.page(G::kData);
  guest.earlier[G::kZero] = guest.page(G::kData);                // has become zero
  guest.earlier[G::kAbsent] = guest.page(G::kData);              // was given back: not sent again
  guest.earlier[G::kLast] = test::TestPage{.kind = v1::ABSENT};  // was taken: sent once
  const MemoryCells memory = census_of(guest).memory;
  EXPECT_EQ(memory.sum().again, 2u);
  EXPECT_EQ(memory.cells[G::kData].again, 1u);
  EXPECT_EQ(memory.cells[G::kZero].again, 1u);
  EXPECT_EQ(census_of(G()).memory.sum().again, 0u);
}

}  // namespace
}  // namespace ferry::audit
