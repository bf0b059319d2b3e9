// The rounds of a live save as charts.
//
//      0        44                                  352 360
//    0 +---------+-----------------------------------+---+
//   14 |    100k |-------- marks, from one power ----|   |
//      |         |         of ten to another         |   |
//  150 |       1 +-----------------------------------+   |
//      |           0    1    2   rounds, side by side    |
//  170 +-------------------------------------------------+
#include "html/rounds_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "html/escape.h"
#include "html/log_scale.h"
#include "p2m/frames.h"

namespace ferry::html {
namespace {

constexpr double kLeft = 44, kRight = 352, kTop = 14, kBottom = 150;
constexpr double kMib = 1 << 20;
constexpr size_t kMostLabels = 12;

double mib(double pages) {
  return pages * kPageSize / kMib;
}

// The frame of both charts: marks at the left, numbers of rounds below.
class Chart {
 public:
  Chart(LogScale scale, size_t first, size_t end) : scale_(scale), first_(first), end_(end) {
    for (const double mark : scale_.marks()) {
      body_ += fmt::format(
          "<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>"
          "<text class=\"mark\" x=\"{}\" y=\"{:.1f}\">{}</text>\n",
          kLeft, y(mark), kRight, kLeft - 6, y(mark) + 4, brief(mark));
    }
    const size_t step = (end - first + kMostLabels - 1) / kMostLabels;
    for (size_t i = first; i < end; i += step)
      body_ += fmt::format("<text class=\"round\" x=\"{:.1f}\" y=\"{}\">{}</text>", x(i),
                           kBottom + 16, i);
    body_ += '\n';
  }

  double y(double value) const { return kBottom - (kBottom - kTop) * scale_.at(value); }
  // Of the middle of a round.
  double x(size_t round) const {
    return kLeft + width() * (static_cast<double>(round - first_) + .5);
  }
  double width() const { return (kRight - kLeft) / static_cast<double>(end_ - first_); }
  size_t rounds() const { return end_ - first_; }

  void add(const std::string& svg) { body_ += svg; }
  std::string html(std::string_view what, const std::string& caption) const {
    return fmt::format(
        "<figure class=\"chart\">\n<svg viewBox=\"0 0 360 170\" role=\"img\" aria-label=\"{}\">\n"
        "{}</svg>\n<figcaption>{}</figcaption>\n</figure>\n",
        escaped(what), body_, caption);
  }

 private:
  LogScale scale_;
  size_t first_, end_;
  std::string body_;
};

std::string pages_chart(const std::vector<Round>& rounds, size_t first) {
  std::vector<double> values{1};
  for (size_t i = first; i < rounds.size(); ++i)
    values.push_back(static_cast<double>(rounds[i].pages));
  Chart chart(LogScale(values), first, rounds.size());
  std::string said;
  for (size_t i = first; i < rounds.size(); ++i) {
    const auto pages = static_cast<double>(rounds[i].pages);
    const double width = std::min(chart.width() * .6, 28.0);
    const double height = pages == 0 ? 0 : std::max(1.5, kBottom - chart.y(pages));
    chart.add(fmt::format(
        "<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:.1f}\"><title>round {}: {} pages</title></rect>",
        chart.x(i) - width / 2, kBottom - height, width, height, i, grouped(rounds[i].pages)));
    if (chart.rounds() <= 7)
      chart.add(fmt::format("<text class=\"round\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", chart.x(i),
                            chart.y(pages) - 4, brief(pages)));
    if (said.size() < 200)
      said += fmt::format("{} {}", said.empty() ? "" : ",", grouped(rounds[i].pages));
  }
  return chart.html("Pages sent by round, logarithmic:" + said,
                    "<b>Pages sent</b> in each round, logarithmic");
}

using Value = std::function<std::optional<double>(const Round&)>;

// A line through the values there are, with a mark at each.
void add_line(Chart& chart, const std::vector<Round>& rounds, size_t first, std::string_view style,
              std::string_view what, const Value& value) {
  const int mark = chart.rounds() > 15 ? 3 : 6;  // its side
  std::string line, marks;
  bool on = false;
  for (size_t i = first; i < rounds.size(); ++i) {
    const std::optional<double> pages = value(rounds[i]);
    const bool there = pages && *pages > 0;
    if (there) {
      const double x = chart.x(i), y = chart.y(mib(*pages));
      line += fmt::format("{}{:.1f} {:.1f}", on ? 'L' : 'M', x, y);
      marks +=
          fmt::format("M{:.1f} {:.1f}h{}v{}h-{}z", x - mark / 2., y - mark / 2., mark, mark, mark);
    }
    on = there;
  }
  chart.add(
      fmt::format("<path class=\"{} line\" d=\"{}\"/><path class=\"{} marks\" d=\"{}\">"
                  "<title>{}</title></path>\n",
                  style, line, style, marks, what));
}

// A line as in the chart, and what it is.
std::string key(std::string_view style, std::string_view words) {
  return fmt::format(
      "<span class=\"key\"><svg viewBox=\"0 0 30 10\" aria-hidden=\"true\">"
      "<path class=\"{} line\" d=\"M0 5h30\"/>"
      "<path class=\"{} marks\" d=\"M12 2h6v6h-6z\"/></svg> {}</span>",
      style, style, words);
}

std::string rates_chart(const std::vector<Round>& rounds, size_t first) {
  const Value sent = [](const Round& round) { return round.pages_per_second; };
  const Value dirty = [](const Round& round) { return round.dirty_per_second; };
  std::vector<double> values;
  for (size_t i = first; i < rounds.size(); ++i)
    for (const Value& value : {sent, dirty}) values.push_back(mib(value(rounds[i]).value_or(0)));
  if (std::ranges::none_of(values, [](double value) { return value > 0; })) return {};
  Chart chart(LogScale(values), first, rounds.size());
  add_line(chart, rounds, first, "sent", "sent, MiB a second", sent);
  add_line(chart, rounds, first, "dirty", "written by the guest, MiB a second", dirty);
  return chart.html(
      "MiB a second by round, sent and written by the guest, logarithmic; the table "
      "of rounds has the numbers",
      "<b>MiB a second</b>, logarithmic: " + key("sent", "sent") + ", " +
          key("dirty", "dirty rate") + ": pages of the next round, over the time of this");
}

}  // namespace

std::string rounds_figures(const std::vector<Round>& rounds) {
  if (rounds.size() < 2) return {};
  const size_t first = rounds.size() > kChartedRounds ? rounds.size() - kChartedRounds : 0;
  std::string html = "<div class=\"charts\">\n" + pages_chart(rounds, first) +
                     rates_chart(rounds, first) + "</div>\n";
  if (first != 0)
    html += fmt::format("<p class=\"note\">The charts leave out the first {} rounds.</p>\n", first);
  return html;
}

}  // namespace ferry::html
