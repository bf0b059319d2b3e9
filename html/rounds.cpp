// What is known of each round of a save.
#include "html/rounds.h"

#include <algorithm>

namespace ferry::html {
namespace {

// A hostile image may name a million.
constexpr size_t kMostRounds = audit::kMostRounds;

void take_census(const audit::Census& census, std::vector<Round>& rounds) {
  for (const auto& [number, of] : census.rounds) {
    if (number >= kMostRounds) break;
    if (rounds.size() <= number) rounds.resize(number + 1);
    Round& round = rounds[number];
    round.bytes = of.bytes;
    for (const auto& [kind, pages] : of.pages)
      if (kind != v1::ABSENT) round.pages += pages;
  }
}

void take_timeline(const v1::Timeline& timeline, std::vector<Round>& rounds) {
  const size_t named = std::min(static_cast<size_t>(timeline.round_us_size()), kMostRounds);
  if (rounds.size() < named) rounds.resize(named);  // a round may have had nothing to send
  uint64_t before = 0;
  for (size_t i = 0; i < named; ++i) {
    const auto at = static_cast<int>(i);
    const uint64_t end = timeline.round_us(at);
    if (at < timeline.round_pages_size() && rounds[i].pages == 0)
      rounds[i].pages = timeline.round_pages(at);
    rounds[i].ended = static_cast<double>(end) / 1e6;
    if (end > before) rounds[i].seconds = static_cast<double>(end - before) / 1e6;
    before = end;
  }
}

}  // namespace

std::vector<Round> rounds_of(const std::optional<v1::Timeline>& timeline,
                             const std::optional<audit::Census>& census) {
  std::vector<Round> rounds;
  if (census) take_census(*census, rounds);
  if (timeline) take_timeline(*timeline, rounds);
  for (size_t i = 0; i < rounds.size(); ++i) {
    if (!rounds[i].seconds) continue;
    rounds[i].pages_per_second = static_cast<double>(rounds[i].pages) / *rounds[i].seconds;
    if (i + 1 < rounds.size())
      rounds[i].dirty_per_second = static_cast<double>(rounds[i + 1].pages) / *rounds[i].seconds;
  }
  return rounds;
}

}  // namespace ferry::html
