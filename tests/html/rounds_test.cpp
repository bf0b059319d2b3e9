// The rounds of a save: their figures, and the charts of them.
#include "html/rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "html/log_scale.h"
#include "html/rounds_figure.h"

namespace ferry::html {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

v1::Timeline timeline(std::initializer_list<uint64_t> us, std::initializer_list<uint64_t> pages) {
  v1::Timeline line;
  line.mutable_round_us()->Assign(us.begin(), us.end());
  line.mutable_round_pages()->Assign(pages.begin(), pages.end());
  return line;
}

audit::Census census(std::initializer_list<uint64_t> pages) {
  audit::Census census;
  uint32_t round = 0;
  for (const uint64_t n : pages)
    census.rounds[round++] = {.pages = {{v1::DATA, n}, {v1::ABSENT, 7}}, .bytes = 100 * n};
  return census;
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

TEST(Rounds, have_rates_where_times_are_known) {
  const auto rounds = rounds_of(timeline({2'000'000, 2'500'000}, {1, 2}), census({1000, 50}));
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_EQ(rounds[0].pages, 1000u) << "what is in the image counts";
  EXPECT_EQ(rounds[0].bytes, 100'000u);
  EXPECT_EQ(rounds[0].pages_per_second, 500);
  EXPECT_EQ(rounds[0].dirty_per_second, 25) << "the 50 of the next round came together in 2 s";
  EXPECT_EQ(rounds[1].pages_per_second, 100);
  EXPECT_FALSE(rounds[1].dirty_per_second);
}

TEST(Rounds, are_known_from_either_source_alone) {
  EXPECT_EQ(rounds_of(std::nullopt, census({5, 6, 7})).size(), 3u);
  const auto rounds = rounds_of(timeline({1000}, {9}), std::nullopt);
  ASSERT_EQ(rounds.size(), 1u);
  EXPECT_EQ(rounds[0].pages, 9u);
  EXPECT_TRUE(rounds_of(std::nullopt, std::nullopt).empty());
}

TEST(Rounds, of_a_timeline_that_runs_backwards_have_no_rate) {
  const auto rounds = rounds_of(timeline({5, 3, 3}, {1, 1, 1}), census({1, 1, 1}));
  EXPECT_TRUE(rounds[0].pages_per_second);
  EXPECT_FALSE(rounds[1].pages_per_second);
  EXPECT_FALSE(rounds[2].pages_per_second);
}

TEST(Rounds, are_bounded_whatever_an_image_claims) {
  v1::Timeline line;
  for (int i = 0; i < 500'000; ++i) line.add_round_us(i);
  EXPECT_EQ(rounds_of(line, std::nullopt).size(), 10'000u);
  audit::Census far;
  far.rounds[4'000'000'000].bytes = 1;
  EXPECT_TRUE(rounds_of(std::nullopt, far).empty());
}

TEST(LogScale, goes_from_power_to_power_of_ten) {
  const LogScale scale({3, 42, 700});
  EXPECT_THAT(scale.marks(), ElementsAre(1, 10, 100, 1000));
  EXPECT_NEAR(scale.at(1), 0, 1e-9);
  EXPECT_NEAR(scale.at(1000), 1, 1e-9);
  EXPECT_NEAR(scale.at(10), 1 / 3., 1e-9);
  EXPECT_EQ(scale.at(0), 0);
  EXPECT_EQ(scale.at(1e9), 1) << "cut off";
}

TEST(LogScale, makes_do_with_any_values) {
  const double infinite = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& values : std::vector<std::vector<double>>{
           {}, {0}, {-1}, {100}, {1e-9, 1e18}, {infinite, 1}, {std::nan(""), 5}}) {
    const LogScale scale(values);
    EXPECT_LE(scale.marks().size(), 6u);
    for (const double value : {0., 1., 1e300}) {
      EXPECT_GE(scale.at(value), 0);
      EXPECT_LE(scale.at(value), 1);
    }
  }
}

TEST(LogScale, says_numbers_briefly) {
  EXPECT_EQ(brief(0.1), "0.1");
  EXPECT_EQ(brief(12), "12");
  EXPECT_EQ(brief(65536), "65.5k");
  EXPECT_EQ(brief(999'600), "1M");
}

TEST(RoundsFigures, have_a_bar_for_each_round_and_two_lines) {
  const std::string html = rounds_figures(
      rounds_of(timeline({2'000'000, 2'500'000, 2'600'000}, {}), census({900, 50, 3})));
  EXPECT_EQ(count(html, "<rect class=\"bar\""), 3u);
  EXPECT_THAT(html, HasSubstr("round 1: 50 pages"));
  EXPECT_THAT(html, HasSubstr("<path class=\"sent line\" d=\"M"));
  EXPECT_THAT(html, HasSubstr("<path class=\"dirty line\" d=\"M"));
  EXPECT_EQ(count(html, "role=\"img\" aria-label="), 2u);
}

TEST(RoundsFigures, leave_out_what_nobody_knows) {
  EXPECT_EQ(rounds_figures(rounds_of(timeline({2'000'000}, {9}), std::nullopt)), "");
  const std::string html = rounds_figures(rounds_of(std::nullopt, census({900, 50})));
  EXPECT_EQ(count(html, "<rect class=\"bar\""), 2u);
  EXPECT_THAT(html, Not(HasSubstr("line")));
}

TEST(RoundsFigures, show_the_last_of_very_many) {
  std::vector<Round> rounds(1000);
  for (Round& round : rounds) round.pages = 7;
  const std::string html = rounds_figures(rounds);
  EXPECT_EQ(count(html, "<rect class=\"bar\""), kChartedRounds);
  EXPECT_THAT(html, HasSubstr("leave out the first 960 rounds"));
}

TEST(RoundsFigures, hold_no_number_that_svg_does_not_know) {
  std::vector<Round> rounds(4);
  rounds[1].pages = ~uint64_t{0};
  rounds[2].pages_per_second = 1e300;
  rounds[2].dirty_per_second = 1e-300;
  const std::string html = rounds_figures(rounds);
  for (const char* word : {"nan", "inf", "e+", "e-"}) {
    // "e-" and so on are in no word of the charts.
    EXPECT_EQ(html.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace ferry::html
