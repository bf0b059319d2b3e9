// ferry-host: the subcommands of ferry that speak to Xen. ferry runs it; people run ferry.
#include <signal.h>
#include <unistd.h>

#include "custody/resume_guest.h"
#include "error/run_main.h"
#include "host/autoballoon.h"
#include "host/engine.h"
#include "host/metrics.h"
#include "host/xl_incoming.h"
#include "host/xl_watchers.h"
#include "migrate/open_job.h"
#include "settings/conf.h"
#include "settings/places.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/lend_command.h"
#include "xen/libxl_lifecycle.h"

namespace ferry::host {
namespace {

// xl's process that watches a guest has to outlive the guest's suspension.
auto with_watchers_held(const Hypervisor& xen) {
  return [&xen](domid_t domid) { hold_xl_watchers(get_domain(xen, domid), helper_path()); };
}

// This very machine, through libxl and xl.
class XenHost final : public ThisHost {
 public:
  const Hypervisor& xen() override { return xen_; }
  Lifecycle& life() override { return life_; }
  const SaveEngine& engine() override { return engine_; }
  std::unique_ptr<IncomingGuest> incoming(const MigrationJob& job) override {
    return std::make_unique<XlIncoming>(life_, job);
  }
  DevicesHere devices() override {
    const auto exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
    return {exists, [=](const std::string& bridge) { return exists("/sys/class/net/" + bridge); },
            [this] { return bytes_from_domain_0(xen_); }};
  }

 private:
  Hypervisor xen_;
  LibxlLifecycle life_{with_watchers_held(xen_)};
  const SaveEngine engine_ = run_save_engine;
};

std::unique_ptr<ThisHost> open_here() {
  return std::make_unique<XenHost>();
}

SaveReport save_here(const SaveRequest& request, const ProgressCallback& progress) {
  Hypervisor xen;
  LibxlLifecycle life(with_watchers_held(xen));
  return save_guest(xen, life, run_save_engine, request, progress);
}

ResumedGuest resume_here(const std::string& name, bool force) {
  Hypervisor xen;
  LibxlLifecycle life;
  return resume_guest(xen, life, name, force, {refuse_open_job, was_taken_back});
}

void add_commands(Command app, const Settings& settings) {
  add_save_command(app, settings, save_here);
  add_restore_command(app, settings);
  add_migrate_command(app, settings, open_here);
  add_evacuate_command(app, settings, open_here, [] { return std::vector<std::string>(); });
  add_receive_command(app, settings, open_here);
  add_job_command(app, open_here);
  add_lend_command(app, open_here);
  add_resume_command(app, resume_here);
  add_check_command(app, open_here);
  add_estimate_command(app, settings, open_here);
}

}  // namespace
}  // namespace ferry::host

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  ferry::CommandLine app("Save, restore and migrate Xen PV guests", "ferry");
  app.require_command();
  return ferry::run_main("ferry", [&] {
    const ferry::Settings settings = ferry::read_settings();
    ferry::set_places(settings);
    ferry::host::keep_metrics_in(ferry::place<"metrics_dir">());
    ferry::host::add_commands(app, settings);
    app.parse(argc, argv);
    return static_cast<int>(ferry::Exit::done);
  });
}
