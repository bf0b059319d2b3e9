// The map of a guest's memory.
//
// A strip has 32 cells, 10 wide. What a cell's pages are is stacked from the bottom up, and below
// that a bar is as wide as the part of them that was sent more than once:
//
//    y 0 +----------+----------+
//        | no frame |          |
//        +----------+  data    |      all strokes are vertical, 10 wide, but those of cells
//        |  data    |          |      with one class only: they go on over their neighbours
//     14 +----------+----------+
//     16 |====      |          |      sent again
//     17 +----------+----------+
#include "html/memory_figure.h"

#include <fmt/format.h>

#include <algorithm>

#include "html/escape.h"
#include "html/page_classes.h"
#include "html/table.h"

namespace ferry::html {
namespace {

using audit::MemoryCell;
using audit::MemoryCells;

constexpr size_t kCellsOfStrip = 32;
constexpr double kCell = 10, kStrip = kCell * kCellsOfStrip, kHeight = 14;
constexpr double kLeast = 1;  // of a class that is there at all: rare ones are worth seeing

// As short as it can be: there are thousands.
std::string coordinate(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

using Heights = std::array<double, kClassLooks.size()>;

// Of each class, in the order of kClassLooks.
Heights heights_of(const MemoryCell& cell) {
  Heights heights{};
  const double scale = kHeight / static_cast<double>(cell.total());
  double small = 0, large = 0;
  for (size_t i = 0; i < heights.size(); ++i) {
    const uint64_t pages = cell.of(kClassLooks[i].page_class);
    if (pages == 0) continue;
    heights[i] = static_cast<double>(pages) * scale;
    (heights[i] < kLeast ? small : large) += std::max(heights[i], kLeast);
  }
  for (double& height : heights)
    if (height != 0) height = height < kLeast ? kLeast : height * (kHeight - small) / large;
  return heights;
}

bool of_one_class(const MemoryCell& cell) {
  return std::ranges::count(cell.pages, uint64_t{0}) + 1 == std::ssize(cell.pages);
}

std::string counts_in_words(const MemoryCell& cell) {
  std::string words;
  for (const ClassLook& look : kClassLooks)
    if (const uint64_t pages = cell.of(look.page_class); pages != 0)
      words += fmt::format("{}{} {}", words.empty() ? "" : ", ", pages, look.name);
  if (cell.again != 0) words += fmt::format("; {} again", cell.again);
  return words;
}

class Strip {
 public:
  // digits: of the pfns at the left, the same for all.
  Strip(const MemoryCells& memory, size_t first, size_t digits)
      : memory_(memory),
        first_(first),
        end_(std::min(first + kCellsOfStrip, memory.cells.size())),
        digits_(digits) {
    for (size_t i = first_; i < end_;) {
      const size_t next = same_from(i);
      draw(i, next);
      explain(i, next);
      i = next;
    }
  }

  std::string html() const {
    std::string html = fmt::format("<li><span>0x{:0{}x}</span><svg viewBox=\"0 0 {} 17\">",
                                   pfn(first_), digits_, kStrip);
    for (size_t i = 0; i < kClassLooks.size(); ++i) {
      const std::string_view style = kClassLooks[i].style;
      if (!whole_[i].empty())
        html += fmt::format("<path class=\"{} w\" d=\"{}\"/>", style, whole_[i]);
      if (!mixed_[i].empty())
        html += fmt::format("<path class=\"{}\" d=\"{}\"/>", style, mixed_[i]);
    }
    if (!again_.empty()) html += fmt::format("<path class=\"again\" d=\"{}\"/>", again_);
    return html + fmt::format("<use href=\"#gaps\"/><g class=\"tip\">{}</g></svg></li>\n", tips_);
  }

  std::vector<std::string> row() const {
    MemoryCell sum;
    for (size_t i = first_; i < end_; ++i) sum += memory_.cells[i];
    std::vector<std::string> row{fmt::format("{:#x}", pfn(first_))};
    for (const ClassLook& look : kClassLooks) row.push_back(grouped(sum.of(look.page_class)));
    row.push_back(grouped(sum.again));
    return row;
  }

 private:
  uint64_t pfn(size_t cell) const { return cell * memory_.pages_per_cell; }
  static double x_of(size_t cell) { return kCell * static_cast<double>(cell % kCellsOfStrip); }

  // The end of the cells that look like this one; mixed ones stand alone.
  size_t same_from(size_t i) const {
    const MemoryCell& cell = memory_.cells[i];
    size_t next = i + 1;
    if (!of_one_class(cell) || cell.again != 0) return next;
    while (next < end_ && memory_.cells[next] == cell) ++next;
    return next;
  }

  void draw(size_t first, size_t end) {
    const MemoryCell& cell = memory_.cells[first];
    const std::string x = coordinate(x_of(first) + kCell / 2);
    const bool whole = of_one_class(cell);
    const Heights heights = heights_of(cell);
    double y = kHeight;
    for (size_t i = 0; i < kClassLooks.size(); ++i) {
      if (heights[i] == 0) continue;
      if (whole)
        whole_[i] += fmt::format("M{} 7h{}", coordinate(x_of(first)),
                                 coordinate(kCell * static_cast<double>(end - first)));
      else
        mixed_[i] += fmt::format("M{} {}v-{}", x, coordinate(y), coordinate(heights[i]));
      y -= heights[i];
    }
    if (cell.again == 0) return;
    const double share = static_cast<double>(cell.again) / static_cast<double>(cell.total());
    again_ += fmt::format("M{} 16h{}", coordinate(x_of(first)),
                          coordinate(std::max(kLeast, share * (kCell - 1))));
  }

  void explain(size_t first, size_t end) {
    MemoryCell sum;
    for (size_t i = first; i < end; ++i) sum += memory_.cells[i];
    const std::string to =
        end == first + 1 ? std::string() : fmt::format(" to {:#x}", pfn(first) + sum.total() - 1);
    tips_ += fmt::format(
        "<path d=\"M{} 8h{}\"><title>{:#x}{}: {}</title></path>", coordinate(x_of(first)),
        coordinate(kCell * static_cast<double>(end - first)), pfn(first), to, counts_in_words(sum));
  }

  const MemoryCells& memory_;
  size_t first_, end_, digits_;
  std::array<std::string, kClassLooks.size()> whole_, mixed_;
  std::string again_, tips_;
};

// Patterns, so that nothing depends on colour alone, and the lines between cells.
std::string definitions() {
  std::string gaps;
  for (double x = 0; x <= kStrip; x += kCell) gaps += fmt::format("M{} 0v17", x);
  return fmt::format(
      "<svg class=\"defs\" aria-hidden=\"true\"><defs>\n"
      "<pattern id=\"p-leaf\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"4\" height=\"4\"/><circle cx=\"2\" cy=\"2\" r=\".9\"/></pattern>\n"
      "<pattern id=\"p-l1\" width=\"4\" height=\"3.5\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"4\" height=\"3.5\"/><path d=\"M0 1.5h4\"/></pattern>\n"
      "<pattern id=\"p-l2\" width=\"3.3\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"3.3\" height=\"4\"/><path d=\"M1.5 0v4\"/></pattern>\n"
      "<pattern id=\"p-l3\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"4\" height=\"4\"/><path d=\"M-1 1l2-2M0 4l4-4M3 5l2-2\"/></pattern>\n"
      "<pattern id=\"p-l4\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"4\" height=\"4\"/><path d=\"M0 2h4M2 0v4\"/></pattern>\n"
      "<pattern id=\"p-absent\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"5\" height=\"5\"/><path d=\"M-1 1l2-2M0 5l5-5M4 6l2-2\"/></pattern>\n"
      "<pattern id=\"p-none\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
      "<rect width=\"5\" height=\"5\"/><path d=\"M1 1l3 3M4 1l-3 3\"/></pattern>\n"
      "<path id=\"gaps\" d=\"{}\"/>\n</defs></svg>\n",
      gaps);
}

std::string legend(const MemoryCell& sum) {
  constexpr std::string_view kItem =
      "<li{}><svg viewBox=\"0 0 24 14\" aria-hidden=\"true\"><path class=\"{}\" d=\"M0 {}h24\"/>"
      "</svg>{} <b>{}</b></li>\n";
  std::string html =
      "<ul class=\"legend\" aria-label=\"Classes of pages, and how many there are\">\n";
  for (const ClassLook& look : kClassLooks) {
    const uint64_t pages = sum.of(look.page_class);
    html += fmt::format(kItem, pages == 0 ? " class=\"no\"" : "", fmt::format("{} w", look.style),
                        7, look.words, grouped(pages));
  }
  html += fmt::format(kItem, sum.again == 0 ? " class=\"no\"" : "", "again", 12,
                      "sent again, in the bar below", grouped(sum.again));
  return html + "</ul>\n";
}

Table in_numbers() {
  std::vector<Column> columns{{"from pfn", true}};
  for (const ClassLook& look : kClassLooks) columns.push_back({look.name, true});
  columns.push_back({"sent again", true});
  return Table("Pages by class and place", columns);
}

}  // namespace

std::string memory_figure(const MemoryCells& memory) {
  const MemoryCell sum = memory.sum();
  const size_t digits =
      fmt::formatted_size("{:x}", (memory.cells.size() - 1) * memory.pages_per_cell);
  std::string strips;
  Table numbers = in_numbers();
  for (size_t first = 0; first < memory.cells.size(); first += kCellsOfStrip) {
    const Strip strip(memory, first, digits);
    strips += strip.html();
    numbers.row(strip.row());
  }
  const std::string cell =
      memory.pages_per_cell == 1
          ? std::string("Each cell is a page, from the pfn at its line's left.")
          : fmt::format(
                "Each cell is {} pages, stacked by class, from the pfn at its line's left; a "
                "class that is rare in a cell is drawn a little larger than it is. The "
                "numbers are exact.",
                grouped(memory.pages_per_cell));
  return fmt::format(
      "<figure class=\"memory\">\n{}{}<ol class=\"map\" aria-hidden=\"true\">\n{}</ol>\n"
      "<figcaption>{}</figcaption>\n"
      "<details><summary>The map in numbers</summary>\n{}</details>\n</figure>\n",
      definitions(), legend(sum), strips, cell, numbers.html());
}

}  // namespace ferry::html
