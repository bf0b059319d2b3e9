// What it costs to save only what differs from a base, beside saving everything: a simulated guest
// of which some pages have changed, in turns, into nothing. Ratios of processor time, since others
// use this machine too, and of the clock.
//
//   bench_delta [MIB [PAIRS [THREADS]]]      256, 7, 1
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "bench/cost.h"
#include "bench/race/guests.h"
#include "delta/read_base.h"
#include "error/error.h"
#include "io/descriptor.h"
#include "tests/engine/sim_engine.h"

namespace ferry {
namespace {

struct Nowhere final : ByteSink {
  void write(std::span<const std::byte> some) override { bytes += some.size(); }
  uint64_t bytes = 0;
};

// Of all pages, one in so many has another word in it afterwards, as after a minute or a night.
constexpr uint64_t kOneIn[] = {0, 64, 4};

class Guest {
 public:
  Guest(uint64_t mib, unsigned threads)
      : built_(bench::build(bench::Guest::two_thirds_zero, mib)),
        executor_(make_thread_executor(threads)),
        file_(memfd_create("base", MFD_CLOEXEC)) {
    FdSink sink(file_.get(), "memory");
    save(sink, nullptr);
  }

  // Bytes of the image.
  uint64_t save(BasePages* base) {
    Nowhere nowhere;
    save(nowhere, base);
    return nowhere.bytes;
  }
  BasePages read_base() {
    BasePages filled = BasePages::make(built_.pages.size() + 4096);
    delta::read_base({InputFile(fmt::format("/proc/self/fd/{}", file_.get()))}, filled, *executor_);
    return BasePages::adopt(filled.fd());
  }
  void change(uint64_t one_in) {
    for (uint64_t pfn = 0; one_in != 0 && pfn < built_.guest.spec.pages; pfn += one_in)
      if (built_.guest.roles[pfn] == sim::Role::data)
        ++*built_.host->page(mfn_t(built_.guest.p2m[pfn]));
  }

 private:
  void save(ByteSink& sink, BasePages* base) {
    SaveOptions options;
    options.timeline = false;
    options.base = base;
    const auto saved =
        sim::engine_save_to(*built_.host, built_.guest.domid, sink, *executor_, options);
    if (!saved.done()) fail(*saved.error, "{}", saved.sentence);
  }

  bench::BuiltGuest built_;
  std::unique_ptr<Executor> executor_;
  Descriptor file_;
};

// The median of each by itself.
struct Costs {
  std::vector<double> cpu, clock;
  void add(const Cost& cost) {
    cpu.push_back(cost.cpu);
    clock.push_back(cost.seconds);
  }
  static double median(std::vector<double> all) {
    std::ranges::sort(all);
    return all[all.size() / 2];
  }
};

void print(const char* what, const Costs& costs, const Costs& beside, uint64_t bytes) {
  const double cpu = Costs::median(costs.cpu), clock = Costs::median(costs.clock);
  fmt::print("{:<40} {:>9.1f} {:>9.1f} {:>8.2f} {:>8.2f} {:>12}\n", what, cpu * 1000, clock * 1000,
             cpu / Costs::median(beside.cpu), clock / Costs::median(beside.clock), bytes);
}

void run(uint64_t mib, unsigned pairs, unsigned threads) {
  Guest guest(mib, threads);
  fmt::print("{:<40} {:>9} {:>9} {:>8} {:>8} {:>12}\n", "", "cpu ms", "clock ms", "of cpu",
             "of clock", "bytes");
  for (const uint64_t one_in : kOneIn) {
    guest.change(one_in);
    Costs whole, base, delta, both;
    uint64_t whole_bytes = 0, delta_bytes = 0;
    for (unsigned i = 0; i < pairs; ++i) {
      whole.add(cost_of([&] { whole_bytes = guest.save(nullptr); }));
      std::optional<BasePages> pages;
      const Cost reading = cost_of([&] { pages.emplace(guest.read_base()); });
      const Cost saving = cost_of([&] { delta_bytes = guest.save(&*pages); });
      base.add(reading);
      delta.add(saving);
      both.add({reading.seconds + saving.seconds, reading.cpu + saving.cpu});
    }
    fmt::print("{}\n", one_in == 0 ? "nothing has changed"
                                   : fmt::format("one page in {} has changed", one_in));
    print("  a whole save", whole, whole, whole_bytes);
    print("  reading the base, while it runs", base, whole, 0);
    print("  saving what differs", delta, whole, delta_bytes);
    print("  both", both, whole, delta_bytes);
  }
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  ferry::run(static_cast<uint64_t>(number(1, 256)), static_cast<unsigned>(number(2, 7)),
             static_cast<unsigned>(number(3, 1)));
  return 0;
}
