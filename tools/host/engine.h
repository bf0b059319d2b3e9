// Runs ferry-save-helper as a child and plays libxl's part in the conversation, so that there is
// one engine, whoever starts it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "p2m/frames.h"

namespace ferry::host {

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

// Saves the domain into fd: in a child (run_save_engine) or here (tools/host/engine_here.h).
using SaveEngine =
    std::function<void(domid_t, int fd, const EngineOptions&, const EngineCallbacks&)>;

// Saves the domain into fd, which is synced if it is a file. While it runs, SIGINT, SIGTERM and
// SIGHUP stop the child, and with it the save. Throws Error with what the child said, or saying how
// it died.
void run_save_engine(domid_t domid, int fd, const EngineOptions& options,
                     const EngineCallbacks& callbacks);

// bin/ferry-save-helper next to this program's libexec folder, or FERRY_SAVE_HELPER.
std::string helper_path();

}  // namespace ferry::host
