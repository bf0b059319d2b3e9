// What saves a guest's memory for whoever has the guest in custody: a child of ours, or code of
// this process.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "p2m/frames.h"

namespace ferry {

struct EngineOptions {
  std::optional<unsigned> threads;
  std::optional<int> level;
  std::string config;  // a serialised ferry.v1.Config
  // For a live save: settings as NAME=value, those that docs/host.md lists.
  std::optional<std::vector<std::string>> live = {};
  std::optional<int> events = {};  // a descriptor that gets JSON Lines
};

using ProgressCallback =
    std::function<void(const std::string& what, uint64_t done, uint64_t total)>;

struct EngineCallbacks {
  std::function<bool()> suspend;  // true when the guest is suspended
  ProgressCallback progress;
};

// Saves the domain into fd: in a child (run_save_engine) or here (engine_here). Throws Error.
using SaveEngine =
    std::function<void(domid_t, int fd, const EngineOptions&, const EngineCallbacks&)>;

}  // namespace ferry
