// What saves the memory of a guest in custody: a child of ours, or code of this process.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "p2m/frames.h"
#include "settings/settings.h"

namespace ferry {

struct EngineOptions {
  Settings settings = {};
  bool live = false;             // the guest runs while its memory is copied
  std::string config = {};       // a serialised ferry.v1.Config
  std::optional<int> lock = {};  // the domain's lock, held by the caller: its descriptor
  std::optional<int> base = {};  // of a delta: what its base says (base_pages/), a descriptor
  std::optional<int> page_hashes = {};  // gets them (base_pages/), a descriptor
  bool migration = false;               // for the metrics: what it is done for
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
