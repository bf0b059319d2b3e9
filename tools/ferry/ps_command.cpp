// ferry ps: the processes of a guest.
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "evidence/processes.h"
#include "proto/pages.h"
#include "text/printable.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"
#include "tools/ferry/saved_kernel.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct PsArguments {
  std::string file;
  bool json = false;
  std::vector<std::string> bases;
  std::string via;
  bool no_sandbox = false;
};

class ProcessPrinter {
 public:
  explicit ProcessPrinter(bool json) : json_(json) {
    print(json_ ? std::string("{\n  \"processes\": [")
                : fmt::format("{:>7} {:>7} S {:>10} {:>10}  COMMAND\n", "PID", "PPID", "VSZ KiB",
                              "RSS KiB"));
  }

  void put(const evidence::Process& process) {
    constexpr uint64_t kKib = kPageSize / 1024;
    if (json_) {
      print((first_ ? "\n    " : ",\n    ") + json_of(process));
    } else {
      const std::string command = printable(process.command);
      print(fmt::format("{:>7} {:>7} {} {:>10} {:>10}  {}\n", process.pid, process.parent,
                        process.state, process.virtual_pages * kKib, process.resident_pages * kKib,
                        process.kernel ? "[" + command + "]" : command));
    }
    first_ = false;
  }
  void finish(std::string_view release) const {
    if (!json_) return;
    print(fmt::format("{}],\n  \"release\": {}\n}}\n", first_ ? "" : "\n  ",
                      json_text(std::string(release), -1)));
  }

 private:
  static std::string json_of(const evidence::Process& process) {
    return json_text({{"pid", process.pid},
                      {"parent_pid", process.parent},
                      {"state", std::string(1, process.state)},
                      {"kernel", process.kernel},
                      {"virtual_bytes", process.virtual_pages * kPageSize},
                      {"resident_bytes", process.resident_pages * kPageSize},
                      {"command", process.command}},
                     -1);
  }

  bool json_, first_ = true;
};

void print_processes(const PsArguments& arguments, const GuestSource& guest) {
  SavedKernel kernel(guest);
  std::optional<ProcessPrinter> printer;
  const auto put = [&](const evidence::Process& process) {
    if (!printer) printer.emplace(arguments.json);
    printer->put(process);
  };
  kernel.visit<evidence::Process>(
      [&](evidence::KernelMemory& memory, const auto& visit) {
        evidence::each_process(memory, kernel.info(), visit);
      },
      put);
  if (!printer) printer.emplace(arguments.json);
  printer->finish(kernel.info().value("OSRELEASE").value_or(""));
}

Exit run_ps(const PsArguments& arguments) {
  const GuestSource guest({arguments.file, arguments.bases, arguments.via});
  return print_confined(guest, arguments.no_sandbox, [&] { print_processes(arguments, guest); });
}

}  // namespace

void add_ps_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<PsArguments>();
  Command command = ferry.add_command("ps", "List the processes of a guest");
  command.footer(
      "Example: ferry ps web1.ferry\n"
      "         ferry ps web1\n"
      "         ferry ps --json web1.ferry | jq '.processes | max_by(.resident_bytes)'\n"
      "Needs no symbols: Linux 6.0 and later with BTF say in their memory where their processes "
      "are. "
      "State\n"
      "F is frozen, as the kernel does with all before it suspends; names in brackets are threads "
      "of "
      "the\n"
      "kernel.");
  command.add_option("FILE", arguments->file, kGuestOrImage).required();
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_via(command, arguments->via);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_ps(*arguments); });
}

}  // namespace ferry
