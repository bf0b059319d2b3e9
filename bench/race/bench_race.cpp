// ferry's engine and Debian's libxenguest over the same simulated guests, in turns, beside what the
// machine can do at all. Prints tables in Markdown; medians everywhere. tools/bench runs it.
//
//   bench_race [MIB [PAIRS [THREADS [FOLDER]]]]      size of a guest (512), pairs (10), threads
//   (all), where files are written (.)
//   bench_race short      ratios of small guests, in seconds (short_race.h)
#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/race/ceilings.h"
#include "bench/race/runs.h"
#include "bench/race/short_race.h"
#include "error/error.h"
#include "sim/seam/binding.h"

namespace ferry::bench {
namespace {

constexpr int kLevel = 2;  // what ferry save takes if it is told nothing
constexpr std::array kSaves{kStock, kStockAndZstd, 0, kLevel};
constexpr std::array kRestores{kStock, 0, kLevel};

struct Options {
  uint64_t mib;
  unsigned pairs, threads;
  std::string folder;
};

double median(std::vector<double> all) {
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

template <typename T, typename Get>
double median_of(const std::vector<T>& all, Get get) {
  std::vector<double> numbers;
  for (const T& one : all) numbers.push_back(get(one));
  return median(std::move(numbers));
}

double seconds(const std::vector<Cost>& all) {
  return median_of(all, [](const Cost& c) { return c.seconds; });
}

double cpu(const std::vector<Cost>& all) {
  return median_of(all, [](const Cost& c) { return c.cpu; });
}

// How many times as much the other one took, pair by pair.
double ratio(const std::vector<Cost>& other, const std::vector<Cost>& ours, double Cost::*what) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(other[i].*what / (ours[i].*what));
  return median(std::move(ratios));
}

std::string contender(int level) {
  if (level == kStock) return "stock";
  if (level == kStockAndZstd) return "stock \\| zstd -1";
  return level == 0 ? "ferry raw" : fmt::format("ferry level {}", level);
}

// The pipe to zstd takes long, and is the same wherever it leads.
bool takes_part(int level, Sink sink) {
  return level != kStockAndZstd || sink == Sink::memory;
}

class GuestRace {
 public:
  GuestRace(Guest which, const Options& options)
      : which_(which), options_(options), built_(build(which, options.mib)) {
    bind_.emplace(*built_.host);
    sim::bind_process(built_.host.get());
    race_.emplace(built_, options.threads, options.folder);
    measure_.emplace(built_, options.threads);
  }
  ~GuestRace() { sim::bind_process(nullptr); }

  void run() {
    for (unsigned pair = 0; pair < options_.pairs; ++pair) {
      ceilings_.push_back(measure_->all(kLevel));
      for (const Sink sink : kSinks)
        in_turns(kSaves, pair, [&](int level) {
          if (takes_part(level, sink)) saves_[{level, sink}].push_back(race_->save(level, sink));
        });
      in_turns(kRestores, pair,
               [&](int level) { restores_[level].push_back(race_->restore(level)); });
      direct_.push_back(direct_write(options_.folder, built_.nonzero.size() * kPageSize));
    }
  }

  void print() const {
    fmt::print("\n### A guest that is {}\n\n", described());
    print_ceilings();
    print_saves();
    print_restores();
  }

 private:
  template <typename Contenders, typename Body>
  static void in_turns(Contenders contenders, unsigned pair, Body body) {
    if (pair % 2 != 0) std::reverse(contenders.begin(), contenders.end());
    for (const int level : contenders) body(level);
  }

  double part(Cost Ceilings::*which, double Cost::*what = &Cost::seconds) const {
    return median_of(ceilings_, [&](const Ceilings& c) { return c.*which.*what; });
  }

  std::string described() const {
    return fmt::format("{}: {} MiB, {} % of its pages zero, {} % tables", name_of(which_),
                       built_.pages.size() >> 8,
                       100 - 100 * built_.nonzero.size() / built_.pages.size(),
                       100 * built_.tables / built_.pages.size());
  }

  // The image's share of the bytes that are not zero.
  double share(int level) const {
    return static_cast<double>(race_->image_bytes(level)) /
           static_cast<double>(built_.nonzero.size() * kPageSize);
  }

  // Seconds of what cores cannot share: mapping, and writing into one file.
  double alone(int level, Sink sink) const {
    const double map = part(&Ceilings::map) + part(&Ceilings::types);
    if (sink == Sink::nothing) return map;
    const double write = sink == Sink::memory ? part(&Ceilings::write_one) : seconds(direct_);
    return std::max(map, write * share(level));
  }

  // Processor seconds of all parts, each measured alone.
  double parts(int level, Sink sink) const {
    const auto cost = [&](Cost Ceilings::*which) { return part(which, &Cost::cpu); };
    double all = cost(&Ceilings::map) + cost(&Ceilings::types) + cost(&Ceilings::zero_test) +
                 cost(&Ceilings::copy) + cost(&Ceilings::hash) * share(level);
    if (sink == Sink::memory) all += cost(&Ceilings::write_one) * share(level);
    if (sink == Sink::disk) all += cpu(direct_) * share(level);
    if (level != 0) all += std::max(0.0, cost(&Ceilings::compress) - cost(&Ceilings::copy));
    return all;
  }

  // Seconds that nothing can beat.
  double ideal(int level, Sink sink) const {
    return std::max(alone(level, sink), parts(level, sink) / options_.threads);
  }

  // The same of a restore, without what Xen does to give frames: its parts are reading and hashing
  // the image, decoding, mapping, looking at what should be zero and copying the rest.
  double ideal_restore(int level) const {
    const auto cost = [&](Cost Ceilings::*which) { return part(which, &Cost::cpu); };
    const double all = (cost(&Ceilings::read_one) + cost(&Ceilings::hash)) * share(level) +
                       cost(&Ceilings::map) + cost(&Ceilings::zero_test) + cost(&Ceilings::copy) +
                       (level == 0 ? 0 : cost(&Ceilings::decode));
    const double alone = std::max(part(&Ceilings::map), part(&Ceilings::read_one) * share(level));
    return std::max(alone, all / options_.threads);
  }

  void print_ceilings() const {
    fmt::print("| per GiB of guest | s | CPU s |\n|---|---|---|\n");
    const auto print = [&](const char* what, double s, double processor) {
      fmt::print("| {} | {:.3f} | {:.3f} |\n", what, s / built_.gib(), processor / built_.gib());
    };
    const auto line = [&](const char* what, Cost Ceilings::*which) {
      print(what, part(which), part(which, &Cost::cpu));
    };
    line("all pages read", &Ceilings::read);
    line("all pages looked at for zeros", &Ceilings::zero_test);
    line("mapped and given back, one core", &Ceilings::map);
    line("types asked, one core", &Ceilings::types);
    line("not zero: copied", &Ceilings::copy);
    line("not zero: XXH3-128", &Ceilings::hash);
    line("not zero: copied and hashed, page by page", &Ceilings::fused);
    line("not zero: zstd of 2 MiB each", &Ceilings::compress);
    line("the same decoded, where it is smaller", &Ceilings::decode);
    line("as many bytes into a memory file, one core", &Ceilings::write_one);
    line("as many bytes into a memory file, all cores", &Ceilings::write_all);
    line("as many bytes from a memory file, one core", &Ceilings::read_one);
    line("as many bytes through a pipe", &Ceilings::pipe);
    print("as many bytes to the disk with O_DIRECT, synced", seconds(direct_), cpu(direct_));
  }

  void print_saves() const {
    fmt::print(
        "\n| saved by | to | s per GiB | CPU s per GiB | image | stock / it | the same in CPU | "
        "ideal / it | its parts / it, in CPU |\n|---|---|---|---|---|---|---|---|---|\n");
    for (const Sink sink : kSinks)
      for (const int level : kSaves)
        if (takes_part(level, sink)) print_save(level, sink);
  }

  void print_save(int level, Sink sink) const {
    const auto& costs = saves_.at({level, sink});
    const auto& stock = saves_.at({kStock, sink});
    std::string of_ideal = " | ";
    if (level >= 0)
      of_ideal = fmt::format("{:.2f} | {:.2f}", ideal(level, sink) / seconds(costs),
                             parts(level, sink) / cpu(costs));
    fmt::print("| {} | {} | {:.3f} | {:.3f} | {:.1f} % | {:.2f} | {:.2f} | {} |\n",
               contender(level), name_of(sink), seconds(costs) / built_.gib(),
               cpu(costs) / built_.gib(),
               100 * static_cast<double>(race_->image_bytes(level)) /
                   static_cast<double>(built_.pages.size() * kPageSize),
               ratio(stock, costs, &Cost::seconds), ratio(stock, costs, &Cost::cpu), of_ideal);
  }

  void print_restores() const {
    fmt::print(
        "\n| restored by | s per GiB | CPU s per GiB | stock / it | the same in CPU | ideal / it | "
        "stock / ideal |\n|---|---|---|---|---|---|---|\n");
    for (const int level : kRestores) {
      const auto& costs = restores_.at(level);
      const auto& stock = restores_.at(kStock);
      std::string of_ideal = " | ";
      if (level >= 0)
        of_ideal = fmt::format("{:.2f} | {:.2f}", ideal_restore(level) / seconds(costs),
                               seconds(stock) / ideal_restore(level));
      fmt::print("| {} | {:.3f} | {:.3f} | {:.2f} | {:.2f} | {} |\n", contender(level),
                 seconds(costs) / built_.gib(), cpu(costs) / built_.gib(),
                 ratio(stock, costs, &Cost::seconds), ratio(stock, costs, &Cost::cpu), of_ideal);
    }
  }

  const Guest which_;
  const Options& options_;
  const BuiltGuest built_;
  std::optional<sim::BindThread> bind_;
  std::optional<Race> race_;
  std::optional<Measure> measure_;
  std::vector<Ceilings> ceilings_;
  std::vector<Cost> direct_;
  std::map<std::pair<int, Sink>, std::vector<Cost>> saves_;
  std::map<int, std::vector<Cost>> restores_;
};

void run(const Options& options) {
  fmt::print("{} threads, medians of {} pairs.\n", options.threads, options.pairs);
  for (const Guest guest : kGuests) {
    GuestRace race(guest, options);
    race.run();
    race.print();
  }
}

}  // namespace
}  // namespace ferry::bench

int main(int argc, char** argv) {
  const auto number = [&](int which, uint64_t otherwise) {
    return argc > which ? std::strtoull(argv[which], nullptr, 10) : otherwise;
  };
  try {
    if (argc == 2 && argv[1] == std::string_view("short")) {
      ferry::bench::run_short(std::thread::hardware_concurrency());
      return 0;
    }
    ferry::bench::run({std::max<uint64_t>(number(1, 512), 32),
                       static_cast<unsigned>(std::max<uint64_t>(number(2, 10), 1)),
                       static_cast<unsigned>(
                           std::max<uint64_t>(number(3, std::thread::hardware_concurrency()), 1)),
                       argc > 4 ? argv[4] : "."});
  } catch (const ferry::Error& e) {
    fmt::print(stderr, "bench_race: {}\n", e.what());
    return 1;
  }
  return 0;
}
