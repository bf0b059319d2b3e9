// Opening simulated hosts.
#include "tools/ferry-sim/sim_host.h"

#include <filesystem>

#include "error/error.h"
#include "settings/places.h"

namespace ferry::sim {

void keep_files_beside(const std::string& path, const Settings& settings) {
  Settings beside;
  beside.set<"run_dir">(path + ".run");
  beside.set<"state_dir">(path + ".jobs");
  set_places(settings.over(beside));
}

SimHost::SimHost(const std::string& path, bool make, uint64_t frames) {
  const bool exists = std::filesystem::exists(path);
  if (!exists && !make)
    fail(Errc::usage, "there is no simulated host {}; ferry-sim create makes one", path);
  if (exists)
    host_ = Host::open_file(path);
  else
    host_ = Host::create_file(path, {.seed = std::hash<std::string>{}(path), .frames = frames});
  open();
}

SimHost::SimHost(uint64_t seed)
    : host_(Host::create({.seed = seed, .frames = kHostFrames, .fresh_pages = FreshPages::stale})) {
  open();
}

void SimHost::open() {
  bind_ = std::make_unique<BindThread>(*host_);
  xen_ = std::make_unique<Hypervisor>();
  life_ = std::make_unique<SimLifecycle>(*host_, *xen_, kernel_guests(*host_));
}

}  // namespace ferry::sim
