// What was done on this host, for node_exporter's textfile collector: one file of counters, in the
// text format of Prometheus, that every command adds to (docs/metrics.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "error/error.h"

namespace ferry::host {

enum class Outcome { success, failure, needs_operator };

// Of one run of a command. Times in seconds.
struct CommandRun {
  std::string_view command;
  Outcome outcome = Outcome::success;
  double seconds = 0;
  uint64_t guest_bytes = 0;
  uint64_t image_bytes = 0;
  std::optional<double> downtime = {};  // from the guest's suspension until it ran, or was let go
};

// What a live save had expected when it suspended the guest, and what came of it: until all of the
// guest was written.
struct Suspension {
  std::string_view command;
  double predicted = 0;
  double measured = 0;
};

// From here on this process keeps count in FOLDER/ferry.prom, if there is such a folder. Before
// that, and on simulated hosts, the two below do nothing. Others who write it, a few kilobytes one
// after another, are waited for; then this run is not counted.
void keep_metrics_in(std::string folder,
                     std::chrono::seconds wait_for_others = std::chrono::seconds(2));

// Nothing fails because they cannot be written; it is said.
void count(const CommandRun& run) noexcept;
void count(const Suspension& suspension) noexcept;

Outcome outcome_of(const Error& error);

// The file's text with the run in it. What is no line of such a file, or none of ferry's, is
// dropped from it. unix_time: in seconds.
std::string with_run(std::string_view text, const CommandRun& run, double unix_time);
std::string with_suspension(std::string_view text, const Suspension& suspension);

// Counts a command that runs as long as this does: as a failure, unless somebody says otherwise.
class CountedRun {
 public:
  explicit CountedRun(std::string_view command);
  ~CountedRun();
  CountedRun(const CountedRun&) = delete;
  CountedRun& operator=(const CountedRun&) = delete;

  CommandRun run;
  bool counts = true;  // false: it was nothing to count

 private:
  double began_;
};

// Of a command that ends well or throws; it says in its CommandRun what there is to say.
template <typename Command>
auto counted(std::string_view name, Command command) {
  CountedRun counting(name);
  try {
    auto result = command(counting.run);
    counting.run.outcome = Outcome::success;
    return result;
  } catch (const Error& e) {
    counting.run.outcome = outcome_of(e);
    counting.counts = e.code() != Errc::usage;  // then nothing was begun
    throw;
  }
}

}  // namespace ferry::host
