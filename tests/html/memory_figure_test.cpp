// The map shows what each cell is made of, exactly in numbers and honestly in pictures.
#include "html/memory_figure.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "html/page_classes.h"

namespace ferry::html {
namespace {

using audit::MemoryCell;
using audit::MemoryCells;
using audit::PageClass;
using testing::HasSubstr;
using testing::Not;

MemoryCell cell_of(std::initializer_list<std::pair<PageClass, uint64_t>> pages,
                   uint64_t again = 0) {
  MemoryCell cell;
  for (const auto& [page_class, count] : pages) cell.pages[static_cast<size_t>(page_class)] = count;
  cell.again = again;
  return cell;
}

// The sum of the heights of all that is stacked in mixed cells.
double stacked(const std::string& html) {
  const std::regex stroke("M[0-9.]+ [0-9.]+v-([0-9.]+)");
  double sum = 0;
  for (std::sregex_iterator at(html.begin(), html.end(), stroke), end; at != end; ++at)
    sum += std::stod((*at)[1]);
  return sum;
}

TEST(MemoryFigure, stacks_what_a_cell_is_made_of) {
  const std::string html = memory_figure(
      {.pages_per_cell = 8, .cells = {cell_of({{PageClass::data, 4}, {PageClass::zero, 4}}, 2)}});
  EXPECT_THAT(html, HasSubstr("<path class=\"data\" d=\"M5 14v-7\"/>"));
  EXPECT_THAT(html, HasSubstr("<path class=\"zero\" d=\"M5 7v-7\"/>"));
  EXPECT_THAT(html, HasSubstr("<title>0x0: 4 data, 4 zero; 2 again</title>"));
  EXPECT_THAT(html, HasSubstr("<path class=\"again\" d=\"M0 16h2.2\"/>"));
}

TEST(MemoryFigure, draws_equal_cells_as_one_and_counts_them_all) {
  const MemoryCell zero = cell_of({{PageClass::zero, 16}});
  const std::string html =
      memory_figure({.pages_per_cell = 16, .cells = std::vector<MemoryCell>(40, zero)});
  EXPECT_THAT(html, HasSubstr("<path class=\"zero w\" d=\"M0 7h320\"/>")) << "a whole strip";
  EXPECT_THAT(html, HasSubstr("<path class=\"zero w\" d=\"M0 7h80\"/>")) << "the rest";
  EXPECT_THAT(html, HasSubstr("<title>0x0 to 0x1ff: 512 zero</title>"));
  EXPECT_THAT(html, HasSubstr("<title>0x200 to 0x27f: 128 zero</title>"));
}

TEST(MemoryFigure, shows_a_single_page_among_thousands) {
  const std::string html = memory_figure(
      {.pages_per_cell = 2048, .cells = {cell_of({{PageClass::data, 2047}, {PageClass::l4, 1}})}});
  EXPECT_THAT(html, HasSubstr("<path class=\"l4\" d=\"M5 1v-1\"/>"));
  EXPECT_THAT(html, HasSubstr("2047 data, 1 L4"));
}

TEST(MemoryFigure, fills_each_cell_whatever_is_in_it) {
  std::mt19937 random(7);
  for (unsigned i = 0; i < 500; ++i) {
    MemoryCell cell;
    for (uint64_t& pages : cell.pages)
      if (random() % 2) pages = 1 + random() % (random() % 2 ? 3 : 4000);
    cell.pages[0] = cell.pages[1] = 1 + random() % 9;
    const std::string html = memory_figure({.pages_per_cell = 65536, .cells = {cell}});
    EXPECT_NEAR(stacked(html), 14, .5) << html;
  }
}

TEST(MemoryFigure, has_a_legend_of_every_class_even_if_it_is_nowhere) {
  const std::string html = memory_figure({.cells = {cell_of({{PageClass::data, 1}})}});
  for (const ClassLook& look : kClassLooks) {
    EXPECT_THAT(html, HasSubstr(fmt::format("<path class=\"{} w\" d=\"M0 7h24\"/>", look.style)));
    EXPECT_THAT(html, HasSubstr(fmt::format("</svg>{} <b>", look.words)));
  }
  EXPECT_THAT(html, HasSubstr("sent again, in the bar below <b>0</b>"));
  EXPECT_THAT(html, Not(HasSubstr("class=\"again\" d=\"M0 16")));
}

TEST(MemoryFigure, has_the_same_in_exact_numbers) {
  MemoryCells memory{.pages_per_cell = 4, .cells = {}};
  for (unsigned i = 0; i < 33; ++i)
    memory.cells.push_back(cell_of({{PageClass::data, 3}, {PageClass::l1, 1}}, 1));
  const std::string html = memory_figure(memory);
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\" class=\"n\">0x0</th><td class=\"n\">96</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\" class=\"n\">0x80</th><td class=\"n\">3</td>"));
}

// 16 GiB: each cell is a mixture of four classes, and no two are the same.
TEST(MemoryFigure, of_a_large_guest_stays_small) {
  std::mt19937 random(3);
  MemoryCells memory{.pages_per_cell = 2048, .cells = {}};
  for (unsigned i = 0; i < 2048; ++i) {
    const uint64_t l1 = 1 + random() % 30, zero = 1 + random() % 1500, l2 = random() % 2;
    memory.cells.push_back(cell_of({{PageClass::data, 2048 - l1 - l2 - zero},
                                    {PageClass::l1, l1},
                                    {PageClass::l2, l2},
                                    {PageClass::zero, zero}},
                                   random() % 100));
  }
  EXPECT_LT(memory_figure(memory).size(), 320u << 10);
}

}  // namespace
}  // namespace ferry::html
