// ferry save: a domain into a file.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "error/error.h"
#include "ferry/v1/image.pb.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
#include "save/suspend_mark.h"
#include "tools/host/commands.h"
#include "tools/host/engine.h"
#include "tools/host/image_output.h"
#include "tools/host/progress_line.h"
#include "xen/lifecycle.h"

namespace ferry::host {
namespace {

enum class Afterwards { destroy, keep, pause };

struct Arguments {
  std::string domain, file;
  bool keep = false, pause = false, destroy = false, json = false, quiet = false;
  std::optional<unsigned> threads;
  std::optional<int> level;
};

Afterwards afterwards(const Arguments& a) {
  if (a.keep + a.pause + a.destroy > 1)
    fail(Errc::usage, "--keep, --pause and --destroy exclude each other");
  if (a.file == "-" && a.keep + a.pause + a.destroy == 0)
    fail(
        Errc::usage,
        "what is written to standard output may never reach a disk; say what becomes of the guest: "
        "--keep, --pause or --destroy");
  if (a.file == "-" && isatty(STDOUT_FILENO))
    fail(Errc::usage, "an image is not for a terminal; redirect standard output");
  return a.keep ? Afterwards::keep : a.pause ? Afterwards::pause : Afterwards::destroy;
}

v1::Config config_of(Lifecycle& life, const DomainInfo& domain) {
  v1::Config config;
  config.set_libxl_json(life.config_json(domain.domid));
  config.set_name(life.name(domain.domid));
  config.set_uuid(domain.uuid.data(), domain.uuid.size());
  config.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
  return config;
}

class SaveCommand {
 public:
  explicit SaveCommand(const Arguments& arguments)
      : arguments_(arguments), afterwards_(afterwards(arguments)) {}

  void run() {
    domid_ = life_.find(arguments_.domain);
    const DomainInfo domain = get_domain(xen_, domid_);
    check_can_save(xen_, domain);
    was_suspended_ = domain.suspended;
    const v1::Config config = config_of(life_, domain);
    ImageOutput output(arguments_.file);
    try {
      save(config, output);
      output.commit();
    } catch (...) {
      give_the_guest_back();
      throw;
    }
    let_go();
    report(domain, config);
  }

 private:
  void save(const v1::Config& config, ImageOutput& output) {
    EngineOptions options;
    options.threads = arguments_.threads;
    options.level = arguments_.level;
    options.config = config.SerializeAsString();
    ProgressLine line(arguments_.quiet || arguments_.json);
    EngineCallbacks callbacks;
    callbacks.suspend = [this] { return suspend(); };
    callbacks.progress = [&](const std::string& what, uint64_t done, uint64_t total) {
      line.update(what, done, total);
    };
    run_save_engine(domid_, output.fd(), options, callbacks);
    if (output.durable()) image_bytes_ = static_cast<uint64_t>(lseek(output.fd(), 0, SEEK_END));
  }

  bool suspend() {
    try {
      suspended_at_ = std::chrono::steady_clock::now();
      life_.suspend(domid_);
      return true;
    } catch (const Error& e) {
      fmt::print(stderr, "ferry: {}\n", e.what());
      return false;
    }
  }

  // Whatever went wrong, a guest that ran before runs again. Throws Error(needs_operator) if not.
  void give_the_guest_back() {
    if (!was_suspended_ && get_domain(xen_, domid_).suspended) life_.resume(domid_);
    clear_suspend_mark(domid_);
  }

  void let_go() {
    switch (afterwards_) {
      case Afterwards::destroy:
        life_.destroy(domid_);
        break;
      case Afterwards::keep:
        life_.resume(domid_);
        break;
      case Afterwards::pause:
        life_.resume_paused(domid_);
        break;
    }
  }

  void report(const DomainInfo& domain, const v1::Config& config) const {
    const std::chrono::duration<double> down = std::chrono::steady_clock::now() - suspended_at_;
    const uint64_t guest_bytes = domain.nr_pages * kPageSize;
    FILE* out = arguments_.file == "-" ? stderr : stdout;
    if (arguments_.json) {
      nlohmann::ordered_json result = {
          {"domain", config.name()},     {"domid", raw(domid_)},
          {"file", arguments_.file},     {"guest_bytes", guest_bytes},
          {"image_bytes", image_bytes_}, {"suspended_seconds", down.count()},
      };
      if (arguments_.file == "-") result.erase("image_bytes");  // whoever reads it knows
      fmt::print(out, "{}\n", result.dump(2));
    } else if (!arguments_.quiet) {
      const std::string image =
          arguments_.file == "-" ? "" : fmt::format(", {} bytes of image", image_bytes_);
      fmt::print(out, "saved {} to {}: {} bytes of guest{}, {:.2f} s\n", config.name(),
                 arguments_.file, guest_bytes, image, down.count());
    }
  }

  const Arguments& arguments_;
  const Afterwards afterwards_;
  Hypervisor xen_;
  Lifecycle life_;
  domid_t domid_{};
  bool was_suspended_ = false;
  uint64_t image_bytes_ = 0;
  std::chrono::steady_clock::time_point suspended_at_ = std::chrono::steady_clock::now();
};

}  // namespace

void add_save_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* save = app.add_subcommand("save", "Save a running PV guest into a file");
  save->footer(
      "The guest is destroyed once the file is on the disk, unless told otherwise.\n"
      "If anything fails before that, the guest runs on and no file is left.\n"
      "\nExample:\n  ferry save web1 /var/lib/xen/save/web1.ferry");
  save->add_option("DOMAIN", arguments->domain, "Name or number of the domain")->required();
  save->add_option("FILE", arguments->file, "Where to save it; - is standard output")->required();
  save->add_flag("--keep", arguments->keep, "Leave the guest running");
  save->add_flag("--pause", arguments->pause, "Leave the guest paused");
  save->add_flag("--destroy", arguments->destroy, "Destroy the guest (as without any of these)");
  save->add_option("--level", arguments->level, "zstd level, 0 for no compression (default 2)")
      ->check(CLI::Range(0, 19));
  save->add_option("--threads", arguments->threads, "Threads to use (default: half of the CPUs)")
      ->check(CLI::Range(1, 256));
  save->add_flag("--json", arguments->json, "Print the result as JSON");
  save->add_flag("--quiet", arguments->quiet, "Print errors only");
  save->callback([arguments] { SaveCommand(*arguments).run(); });
}

}  // namespace ferry::host
