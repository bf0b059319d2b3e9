// Options of a live save or a migration.
#include "tools/ferry-host/live_options.h"

#include <fmt/format.h>

namespace ferry::host {

void add_live_options(CLI::App& command, LiveOptions& options) {
  command.add_option("--track", options.track, "How to know what changed (default auto)")
      ->check(CLI::IsMember({"auto", "logdirty", "content"}));
  command
      .add_option("--max-downtime", options.max_downtime,
                  "Milliseconds that the rest of the memory may take (default 300)")
      ->check(CLI::Range(1, 3'600'000));
  command.add_option("--max-rounds", options.max_rounds, "Rounds over the memory (default 30)")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--deadline", options.deadline, "Seconds that all may take (default none)")
      ->check(CLI::Range(1, 1'000'000));
  command
      .add_option("--on-stall", options.on_stall,
                  "When the guest writes too fast: stop it all the same (default), continue until "
                  "the deadline, or cancel")
      ->check(CLI::IsMember({"stop", "continue", "cancel"}));
  command
      .add_option("--bandwidth", options.bandwidth,
                  "MiB of image a second while the guest runs (default no limit)")
      ->check(CLI::Range(1, 1 << 24));
}

bool given(const LiveOptions& o) {
  return !o.track.empty() || !o.on_stall.empty() || o.max_downtime || o.max_rounds || o.deadline ||
         o.bandwidth;
}

std::vector<std::string> settings_of(const LiveOptions& o) {
  std::vector<std::string> settings;
  if (!o.track.empty()) settings.push_back("FERRY_TRACK=" + o.track);
  if (!o.on_stall.empty()) settings.push_back("FERRY_ON_STALL=" + o.on_stall);
  if (o.max_downtime) settings.push_back(fmt::format("FERRY_MAX_DOWNTIME={}", *o.max_downtime));
  if (o.max_rounds) settings.push_back(fmt::format("FERRY_MAX_ROUNDS={}", *o.max_rounds));
  if (o.deadline) settings.push_back(fmt::format("FERRY_DEADLINE={}", *o.deadline));
  if (o.bandwidth) settings.push_back(fmt::format("FERRY_BANDWIDTH={}", *o.bandwidth));
  return settings;
}

}  // namespace ferry::host
