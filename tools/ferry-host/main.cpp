// ferry-host: the subcommands of ferry that speak to Xen. ferry runs it; people run ferry.
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "custody/resume_guest.h"
#include "error/error.h"
#include "host/engine.h"
#include "host/xl_incoming.h"
#include "settings/conf.h"
#include "tools/ferry-host/commands.h"
#include "xen/libxl_lifecycle.h"
#include "xen/suspend_request.h"

namespace ferry::host {
namespace {

// This very machine, through libxl and xl.
class XenHost final : public ThisHost {
 public:
  const Hypervisor& xen() override { return xen_; }
  Lifecycle& life() override { return life_; }
  const SaveEngine& engine() override { return engine_; }
  std::unique_ptr<IncomingGuest> incoming(const MigrationJob& job) override {
    return std::make_unique<XlIncoming>(life_, job);
  }
  bool says_it_can_suspend(domid_t domid) override { return ferry::says_it_can_suspend(domid); }
  DevicesHere devices() override {
    const auto exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
    return {exists, [=](const std::string& bridge) { return exists("/sys/class/net/" + bridge); }};
  }

 private:
  Hypervisor xen_;
  LibxlLifecycle life_;
  const SaveEngine engine_ = run_save_engine;
};

std::unique_ptr<ThisHost> open_here() {
  return std::make_unique<XenHost>();
}

SaveReport save_here(const SaveRequest& request, const ProgressCallback& progress) {
  Hypervisor xen;
  LibxlLifecycle life;
  return save_guest(xen, life, run_save_engine, request, progress);
}

domid_t resume_here(const std::string& name, bool force) {
  Hypervisor xen;
  LibxlLifecycle life;
  return resume_guest(xen, life, name, force);
}

}  // namespace
}  // namespace ferry::host

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Save, restore and migrate Xen PV guests", "ferry"};
  app.require_subcommand(1);
  ferry::host::add_save_command(app, ferry::host::save_here);
  ferry::host::add_restore_command(app);
  ferry::host::add_migrate_command(app, ferry::host::open_here);
  ferry::host::add_receive_command(app, ferry::host::open_here);
  ferry::host::add_job_command(app, ferry::host::open_here);
  ferry::host::add_resume_command(app, ferry::host::resume_here);
  ferry::host::add_check_command(app, ferry::host::open_here);
  ferry::host::add_estimate_command(app, ferry::host::open_here);
  try {
    ferry::read_conf();
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : static_cast<int>(ferry::Exit::usage);
  } catch (const ferry::Error& e) {
    fmt::print(stderr, "ferry: {}\n", e.what());
    return static_cast<int>(ferry::exit_code(e.code()));
  } catch (const std::exception& e) {
    fmt::print(stderr, "ferry: {}\n", e.what());
    return static_cast<int>(ferry::Exit::failed);
  }
}
