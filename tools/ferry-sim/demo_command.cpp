// ferry-sim demo: the main job in one go, on two simulated hosts in memory.
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "config/config_record.h"
#include "custody/save_guest.h"
#include "error/error.h"
#include "host/engine_here.h"
#include "proto/image_file.h"
#include "settings/places.h"
#include "sim/kernel/sim_kernel.h"
#include "sim_toolstack/restore_guest.h"
#include "text/print.h"
#include "tools/ferry-host/progress_line.h"
#include "tools/ferry-sim/commands.h"
#include "tools/ferry-sim/sim_host.h"

namespace ferry::sim {
namespace {

constexpr uint64_t kPages = 256 * 256;  // 256 MiB
constexpr unsigned kSteps = 20000;

// Where the image is, and gone with it.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "ferry-demo-XXXXXX";
    if (!mkdtemp(name.data())) fail_errno(Errc::io, errno, "cannot make a folder for the image");
    path_ = name;
    Settings here;
    here.set<"run_dir">(name);
    set_places(here);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string image() const { return path_ / "demo.ferry"; }

 private:
  std::filesystem::path path_;
};

class Stopwatch {
 public:
  double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void check(SimKernel& kernel, const char* when) {
  const std::vector<std::string> wrong = kernel.check_memory();
  for (const std::string& sentence : wrong) print_answer("   {}\n", sentence);
  if (!wrong.empty()) fail(Errc::guest, "the guest's memory is wrong {}", when);
}

void must_succeed(const std::vector<std::string>& arguments) {
  if (run_ferry(arguments) != 0) fail(Errc::bad_image, "ferry {} failed", arguments.front());
}

std::string config_of(const std::string& path) {
  return config_header(ImageFile::open(path)).config;
}

struct State {
  uint64_t ticks, checksum;
};

// The first host: a guest is made, runs, and is saved.
State save_on_first_host(const std::string& image, Executor& executor) {
  SimHost host(uint64_t{1});
  KernelSpec spec;
  spec.pages = kPages;
  spec.vcpus = 2;
  auto kernel = SimKernel::create(host.host(), spec);
  host.life().rename(domid_t{kernel->domid()}, "demo");
  kernel->fill_memory(kPages / 2);
  kernel->run(kSteps);
  check(*kernel, "before the save");
  const State state{kernel->ticks(), kernel->checksum()};
  print_answer(
      "1. A simulated Xen host, and on it a PV guest of 256 MiB with 2 vCPUs\n"
      "   its kernel did {} things in {} processes: fork, map, fault, balloon, exchange frames\n"
      "   memory checksum {:016x}\n",
      state.ticks, kernel->processes(), state.checksum);
  kernel.reset();

  print_answer("2. ferry-sim save demo {}\n", image);
  const Stopwatch watch;
  host::ProgressLine line;
  const SaveReport report =
      save_guest(host.xen(), host.life(), host::engine_here(host.xen(), executor), {"demo", image},
                 [&](const std::string& what, uint64_t done, uint64_t total) {
                   line.update(what, done, total);
                 });
  line.finish();
  print_answer("   saved: {} bytes of guest, {} bytes of image, {:.0f} ms\n", report.guest_bytes,
               report.image_bytes, watch.ms());
  return state;
}

// The second host has other machine frames: it goes on only if every page table was rewritten.
void restore_on_second_host(const std::string& image, const State& before, Executor& executor) {
  print_answer("5. ferry-sim restore {}, on a second host with other machine frames\n", image);
  const std::string config = config_of(image);
  SimHost host(uint64_t{2});
  const Stopwatch watch;
  const auto source = ImageFile::open(image).stream();
  const RestoredGuest guest =
      restore_guest(host.xen(), host.life(), config, *source, executor, false);
  print_answer("   restored in {:.0f} ms\n", watch.ms());
  auto kernel = SimKernel::attach(host.host(), static_cast<DomainNumber>(guest.domid));
  const uint64_t restored = kernel->checksum();
  kernel->run(kSteps);
  check(*kernel, "after the restore");
  if (restored != before.checksum || kernel->ticks() != before.ticks + kSteps)
    fail(Errc::guest, "the restored guest is not the one that was saved");
  print_answer(
      "   still running (step {} before, step {} now), memory checksum {:016x} as before, all its\n"
      "   page tables right\n",
      before.ticks, kernel->ticks(), restored);
}

void demo() {
  const Folder folder;
  const auto executor = make_thread_executor(std::max(1u, std::thread::hardware_concurrency()));
  const State before = save_on_first_host(folder.image(), *executor);
  print_answer("3. ferry audit {}\n", folder.image());
  must_succeed({"audit", folder.image()});
  print_answer("4. ferry inspect {}\n", folder.image());
  must_succeed({"inspect", folder.image()});
  restore_on_second_host(folder.image(), before, *executor);
  print_answer(
      "demo: guest created, saved, audited clean, restored on another host, and still running with "
      "its\nmemory right\n");
}

}  // namespace

void add_demo_command(Command app) {
  app.add_command("demo", "Create, save, audit, inspect and restore a guest on simulated hosts")
      .callback(demo);
}

}  // namespace ferry::sim
