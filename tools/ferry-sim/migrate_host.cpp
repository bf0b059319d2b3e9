// A simulated host as ferry's migration commands want it.
#include "tools/ferry-sim/migrate_host.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "host/engine_here.h"
#include "host/xl_incoming.h"
#include "sim_toolstack/sim_incoming.h"
#include "tools/ferry-sim/kill_switch.h"
#include "tools/ferry-sim/sim_host.h"

namespace ferry::sim {
namespace {

class MigrateHost final : public host::ThisHost {
 public:
  MigrateHost(const std::string& path, bool make)
      : host_(path, make),
        kill_switch_((install_kill_switch(host_.host()), true)),
        executor_(make_thread_executor(std::max(1u, std::thread::hardware_concurrency() / 2))),
        here_(host::stoppable_engine_here(host_.xen(), *executor_)) {
    // Its guests stand still while no command runs them: no need for rounds.
    engine_ = [this](domid_t domid, int fd, EngineOptions options,
                     const EngineCallbacks& callbacks) {
      options.live = false;
      here_(domid, fd, options, callbacks);
    };
  }

  const Hypervisor& xen() override { return host_.xen(); }
  Lifecycle& life() override { return host_.life(); }
  const SaveEngine& engine() override { return engine_; }
  // FERRY_SIM_XL: through the setting xl, a program that plays xl over this simulated host, as on a
  // real one.
  std::unique_ptr<IncomingGuest> incoming(const MigrationJob& job) override {
    if (std::getenv("FERRY_SIM_XL")) return std::make_unique<host::XlIncoming>(host_.life(), job);
    return std::make_unique<SimIncoming>(host_.host(), host_.xen(), host_.life(), job);
  }
  DevicesHere devices() override {
    const auto there = [](const std::string&) { return true; };
    return {there, there};
  }

 private:
  SimHost host_;
  bool kill_switch_;  // before any thread begins
  std::unique_ptr<Executor> executor_;
  SaveEngine here_, engine_;
};

}  // namespace

std::unique_ptr<host::ThisHost> open_for_migration(const std::string& path, bool make) {
  return std::make_unique<MigrateHost>(path, make);
}

}  // namespace ferry::sim
