// How near a save whose level is chosen as it goes on comes to the best of those with a fixed one,
// to sinks of several speeds.
//
//   bench_level [MIB [ROUNDS [THREADS]]]
//
// For each speed, all of them save the same simulated guest in turns; what counts are the ratios.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/cost.h"
#include "bench/race/guests.h"
#include "save/level_control.h"
#include "save/save.h"
#include "sim/seam/binding.h"

namespace ferry::bench {
namespace {

using Level = std::optional<int>;
constexpr Level kChosen = std::nullopt;
constexpr Level kLevels[] = {kChosen, 0, 1, 2, 3, LevelControl::kHighest, 9};
constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kUnlimited = 0;
constexpr uint64_t kSpeeds[] = {25 * kMiB, 100 * kMiB, 400 * kMiB, 1600 * kMiB, kUnlimited};

// Takes so many bytes a second, whoever writes them and when: what was late is not made up for.
class ThrottledSink final : public ByteSink {
 public:
  explicit ThrottledSink(uint64_t bytes_per_second) : speed_(bytes_per_second) {}
  void write(std::span<const std::byte> bytes) override {
    bytes_ += bytes.size();
    if (speed_ == kUnlimited) return;
    free_ = std::max(free_, Clock::now()) +
            std::chrono::nanoseconds(bytes.size() * 1'000'000'000 / speed_);
    std::this_thread::sleep_until(free_);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  using Clock = std::chrono::steady_clock;
  const uint64_t speed_;
  uint64_t bytes_ = 0;
  Clock::time_point free_ = Clock::now();
};

struct Run {
  Cost cost;
  uint64_t bytes = 0;
};

Run save(const BuiltGuest& built, unsigned threads, uint64_t speed, Level level) {
  Run run;
  run.cost = cost_of([&] {
    const Hypervisor xen;
    ThrottledSink sink(speed);
    const auto executor = make_thread_executor(threads);
    SaveOptions options;
    options.level = level;
    options.timeline = false;
    save_domain(xen, domid_t{static_cast<uint16_t>(built.guest.domid)}, sink, *executor, options,
                {});
    run.bytes = sink.bytes();
  });
  return run;
}

Run median(std::vector<Run> runs) {
  std::ranges::sort(runs, {}, [](const Run& run) { return run.cost.seconds; });
  return runs[runs.size() / 2];
}

std::string name_of(Level level) {
  return level ? std::to_string(*level) : "auto";
}

void print(const BuiltGuest& built, uint64_t speed, const std::map<Level, Run>& runs) {
  const auto fixed = [](const auto& a, const auto& b) {
    return (a.first ? a.second.cost.seconds : 1e9) < (b.first ? b.second.cost.seconds : 1e9);
  };
  const auto& [best, least] = *std::ranges::min_element(runs, fixed);
  const std::string sink = speed == kUnlimited ? "none" : fmt::format("{}", speed / kMiB);
  const Run& chosen = runs.at(kChosen);
  const double all = static_cast<double>(built.pages.size() * kPageSize);
  fmt::print("| {} |", sink);
  for (const Level level : kLevels)
    fmt::print(" {:.3f} |", runs.at(level).cost.seconds / built.gib());
  fmt::print(" {} | {:.2f} | {:.1f} % | {:.1f} % |\n", name_of(best),
             chosen.cost.seconds / least.cost.seconds,
             100 * static_cast<double>(chosen.bytes) / all,
             100 * static_cast<double>(least.bytes) / all);
  std::fflush(stdout);
}

void race(Guest guest, uint64_t mib, unsigned rounds, unsigned threads) {
  const BuiltGuest built = build(guest, mib);
  const sim::BindThread bind(*built.host);
  sim::bind_process(built.host.get());
  fmt::print("\n{}\n\n| MiB/s |", name_of(guest));
  for (const Level level : kLevels) fmt::print(" {} |", name_of(level));
  fmt::print(" best | auto / best | auto's image | best's |\n|---|");
  for (size_t i = 0; i < std::size(kLevels) + 4; ++i) fmt::print("---|");
  fmt::print("\n");
  save(built, threads, kUnlimited, 0);  // whose memory is new
  for (const uint64_t speed : kSpeeds) {
    std::map<Level, std::vector<Run>> runs;
    for (unsigned round = 0; round < rounds; ++round)
      for (const Level level : kLevels) runs[level].push_back(save(built, threads, speed, level));
    std::map<Level, Run> medians;
    for (const auto& [level, all] : runs) medians[level] = median(all);
    print(built, speed, medians);
  }
  sim::bind_process(nullptr);
}

}  // namespace
}  // namespace ferry::bench

int main(int argc, char** argv) {
  using namespace ferry::bench;
  const auto number = [&](int which, uint64_t otherwise) {
    return std::max<uint64_t>(argc > which ? std::strtoull(argv[which], nullptr, 10) : otherwise,
                              1);
  };
  const auto threads = static_cast<unsigned>(number(3, std::thread::hardware_concurrency()));
  const auto rounds = static_cast<unsigned>(number(2, 3));
  fmt::print("s per GiB of guest, {} threads, medians of {} rounds.\n", threads, rounds);
  try {
    for (const Guest guest : {Guest::two_thirds_zero, Guest::incompressible, Guest::page_tables})
      race(guest, number(1, 512), rounds, threads);
  } catch (const ferry::Error& e) {
    fmt::print(stderr, "bench_level: {}\n", e.what());
    return 1;
  }
  return 0;
}
