// How a guest is copied while it runs, as people say it on a command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace ferry::host {

struct LiveOptions {
  std::string track, on_stall;
  std::optional<unsigned> max_downtime, max_rounds, deadline, bandwidth;
};

void add_live_options(CLI::App& command, LiveOptions& options);
// Whether any was given.
bool given(const LiveOptions& options);
// What the engine is told (EngineOptions::live).
std::vector<std::string> settings_of(const LiveOptions& options);

}  // namespace ferry::host
