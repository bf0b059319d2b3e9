// The race in a form that takes seconds.
#include "bench/race/short_race.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "bench/race/runs.h"
#include "sim/seam/binding.h"

namespace ferry::bench {
namespace {

constexpr uint64_t kMib = 64;  // of a guest
constexpr unsigned kPairs = 3;
constexpr int kLevel = 2;
constexpr std::array kContenders{kStock, 0, kLevel};

using Costs = std::map<int, std::vector<Cost>>;

double ratio(const Costs& costs, int level, double Cost::*what) {
  std::vector<double> ratios;
  for (unsigned pair = 0; pair < kPairs; ++pair)
    ratios.push_back(costs.at(kStock)[pair].*what / (costs.at(level)[pair].*what));
  std::sort(ratios.begin(), ratios.end());
  return ratios[kPairs / 2];
}

void print(Guest guest, const char* done, const Costs& costs) {
  for (const int level : {0, kLevel})
    fmt::print("{}, {} {}\t{:.2f}\t{:.2f}\n", name_of(guest), done,
               level == 0 ? "raw" : fmt::format("at level {}", level),
               ratio(costs, level, &Cost::cpu), ratio(costs, level, &Cost::seconds));
}

void race_over(Guest guest, unsigned threads) {
  const BuiltGuest built = build(guest, kMib);
  const sim::BindThread bind(*built.host);
  sim::bind_process(built.host.get());
  Race race(built, threads, ".");
  for (const int level : kContenders) race.save(level, Sink::memory);  // whose memory is new
  Costs saves, restores;
  for (unsigned pair = 0; pair < kPairs; ++pair) {
    for (const int level : kContenders) saves[level].push_back(race.save(level, Sink::memory));
    for (const int level : kContenders) restores[level].push_back(race.restore(level));
  }
  sim::bind_process(nullptr);
  print(guest, "saved", saves);
  print(guest, "restored", restores);
}

}  // namespace

void run_short(unsigned threads) {
  for (const Guest guest : kGuests) race_over(guest, threads);
}

}  // namespace ferry::bench
