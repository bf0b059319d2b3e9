// ferry-sim create, list, run, unpause, rename and destroy.
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "error/error.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/machine/guest_turn.h"
#include "text/print.h"
#include "text/printable.h"
#include "text/say.h"
#include "tools/ferry-sim/commands.h"
#include "tools/ferry-sim/sim_host.h"
#include "xen/uuid.h"

namespace ferry::sim {
namespace {

constexpr uint64_t kPagesPerMib = 256;

struct Guest {
  std::string name;
  uint64_t memory = 64, seed = 1, steps = 1000;
  std::optional<uint64_t> host_memory;
  unsigned vcpus = 2;
  bool tree = false;
};

void check_name(SimLifecycle& life, const std::string& name) {
  if (name.empty() || name.size() >= kNameBytes)
    fail(Errc::usage, "a domain's name has 1 to {} bytes", kNameBytes - 1);
  try {
    life.find(name);
  } catch (const Error&) {
    return;
  }
  fail(Errc::usage, "there is a domain {} on this host already", name);
}

void create(const std::string& path, const Guest& guest) {
  if (guest.host_memory && std::filesystem::exists(path))
    fail(Errc::usage, "the host {} is there already, and its memory stays what it is", path);
  SimHost host(path, true, guest.host_memory ? *guest.host_memory * kPagesPerMib : kHostFrames);
  check_name(host.life(), guest.name);
  KernelSpec spec;
  spec.seed = guest.seed;
  spec.pages = guest.memory * kPagesPerMib;
  spec.vcpus = guest.vcpus;
  spec.form = guest.tree ? p2m_form::tree : p2m_form::list;
  const auto kernel = SimKernel::create(host.host(), spec);
  host.life().rename(domid_t{kernel->domid()}, guest.name);
  // The seed fixes what the guest does, not which of all guests it is.
  const DomainUuid uuid = random_uuid();
  memcpy(host.host().find_domain(kernel->domid())->handle, uuid.data(), uuid.size());
  kernel->fill_memory(spec.pages / 2);
  print_report("created {}, domain {}: {} MiB, {} vCPUs, memory checksum {:016x}\n", guest.name,
               kernel->domid(), guest.memory, guest.vcpus, kernel->checksum());
}

const char* state_of(const Domain& d) {
  if (d.dying) return "dying";
  if (d.shutdown) return d.shutdown_code == SHUTDOWN_suspend ? "suspended" : "shut down";
  return d.pause_count ? "paused" : "running";
}

std::string state_and_help(KernelMachine& machine) {
  const std::string state = state_of(machine.domain());
  return state == "paused"      ? state + " (ferry-sim unpause lets it run)"
         : state == "suspended" ? state + " (ferry-sim resume lets it run)"
                                : state;
}

void list(const std::string& path) {
  SimHost host(path, false);
  constexpr auto kRow = "{:<20} {:>5} {:>8} {:>6}  {}\n";
  std::string text = fmt::format(kRow, "Name", "ID", "MiB", "vCPUs", "State");
  HostLock lock(host.host());
  const HostState& state = host.host().state();
  for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
    const Domain& d = state.domains[slot];
    if (state.domids[slot] == kNoDomain || d.domid == 0) continue;
    text += fmt::format(kRow, printable(d.name), d.domid, d.tot_pages / kPagesPerMib, d.max_vcpus,
                        state_of(d));
  }
  answer_with(text);
}

void run(const std::string& path, const Guest& guest) {
  SimHost host(path, false);
  const domid_t domid = host.life().find(guest.name);
  const GuestTurn turn(host.host());
  const auto kernel = SimKernel::attach(host.host(), static_cast<DomainNumber>(domid));
  const uint64_t before = kernel->ticks();
  try {
    kernel->run(static_cast<unsigned>(guest.steps));
  } catch (const KernelCrash& e) {
    fail(Errc::guest, "{} has crashed: {}", guest.name, e.what());
  }
  if (kernel->ticks() == before && guest.steps > 0)
    fail(Errc::guest, "{} does not run: it is {}", guest.name, state_and_help(kernel->machine()));
  const std::vector<std::string> wrong = kernel->check_memory();
  for (const std::string& sentence : wrong) say(fmt::format("  {}\n", sentence));
  if (!wrong.empty()) fail(Errc::guest, "{}'s memory is not what it wrote", guest.name);
  print_answer("{}: step {} to {}, {} processes, memory right, checksum {:016x}\n", guest.name,
               before, kernel->ticks(), kernel->processes(), kernel->checksum());
}

void unpause(const std::string& path, const std::string& name) {
  SimHost host(path, false);
  host.life().unpause(host.life().find(name));
}

void rename(const std::string& path, const std::string& name, const std::string& to) {
  SimHost host(path, false);
  check_name(host.life(), to);
  host.life().rename(host.life().find(name), to);
}

void destroy(const std::string& path, const std::string& name) {
  SimHost host(path, false);
  host.life().destroy(host.life().find(name));
}

}  // namespace

void add_guest_commands(Command app, HostPath host) {
  auto guest = std::make_shared<Guest>();
  Command command = app.add_command("create", "Make a guest, and the host if there is none");
  command.footer("Example:\n  ferry-sim create web1 --memory 128");
  command.add_option("NAME", guest->name, "The guest's name").required();
  command.add_option("--memory", guest->memory, "MiB (default 64)").in_shown_range(2, 1024);
  command.add_option("--host-memory", guest->host_memory, "MiB of a new host (default 2048)")
      .in_shown_range(16, 1 << 20);
  command.add_option("--vcpus", guest->vcpus, "vCPUs (default 2)")
      .in_shown_range(1u, KernelMachine::kMaxCpus);
  command.add_option("--seed", guest->seed, "Fixes what the guest does");
  command.add_flag("--tree", guest->tree, "A kernel that keeps its p2m as a tree, as old ones do");
  command.callback([guest, host] { create(*host, *guest); });

  command = app.add_command("list", "The host's guests");
  command.callback([host] { list(*host); });

  command = app.add_command("run", "Let a guest run for a while, and check its memory");
  command.footer(
      "Guests stand still while no command runs them.\n\nExample:\n  ferry-sim run web1");
  command.add_option("DOMAIN", guest->name, "Name or number of the domain").required();
  command
      .add_option("--steps", guest->steps,
                  "Things it does (default 1000); 0 only checks its memory")
      .in_shown_range(0, 1'000'000'000);
  command.callback([guest, host] { run(*host, *guest); });

  command = app.add_command("unpause", "Let a paused guest run again");
  command.add_option("DOMAIN", guest->name, "Name or number of the domain").required();
  command.callback([guest, host] { unpause(*host, guest->name); });

  auto to = std::make_shared<std::string>();
  command = app.add_command("rename", "Give a guest another name");
  command.add_option("DOMAIN", guest->name, "Name or number of the domain").required();
  command.add_option("NAME", *to, "Its new name").required();
  command.callback([guest, to, host] { rename(*host, guest->name, *to); });

  command = app.add_command("destroy", "Destroy a guest");
  command.add_option("DOMAIN", guest->name, "Name or number of the domain").required();
  command.callback([guest, host] { destroy(*host, guest->name); });
}

}  // namespace ferry::sim
