// ferry dmesg: the kernel's log of a guest.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "evidence/kernel_log.h"
#include "text/printable.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"
#include "tools/ferry/saved_kernel.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct DmesgArguments {
  std::string file;
  bool raw = false;
  bool json = false;
  std::vector<std::string> bases;
  std::string via;
  bool no_sandbox = false;
};

// What could steer a terminal is escaped; tabs, which the kernel itself uses, stay.
std::string line_of(std::string_view text) {
  std::string line;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\t', at), text.size());
    line += printable(text.substr(at, end - at));
    if (end < text.size()) line += '\t';
    at = end + 1;
  }
  return line;
}

// As dmesg does: each line of a record begins with when it was.
void print_record(const evidence::LogRecord& record, bool raw) {
  const uint64_t us = record.nanoseconds / 1000;
  const std::string prefix =
      (raw ? fmt::format("<{}>", record.facility << 3 | record.level) : std::string()) +
      fmt::format("[{:5}.{:06}] ", us / 1000000, us % 1000000);
  std::string lines;
  for (size_t at = 0; at <= record.text.size();) {
    const size_t end = std::min(record.text.find('\n', at), record.text.size());
    lines += prefix + line_of(std::string_view(record.text).substr(at, end - at)) + "\n";
    at = end + 1;
  }
  print(lines);
}

void print_record_as_json(const evidence::LogRecord& record, bool first) {
  ordered_json json = {{"sequence", record.sequence}, {"nanoseconds", record.nanoseconds},
                       {"facility", record.facility}, {"level", record.level},
                       {"caller", record.caller},     {"text", record.text}};
  print((first ? "\n    " : ",\n    ") + json_text(json, -1));
}

void print_log(const DmesgArguments& arguments, const GuestSource& guest) {
  SavedKernel kernel(guest);
  bool first = true;
  const auto put = [&](const evidence::LogRecord& record) {
    if (!arguments.json) return print_record(record, arguments.raw);
    if (first) print("{\n  \"records\": [");
    print_record_as_json(record, first);
    first = false;
  };
  evidence::LogTotals totals;
  kernel.visit<evidence::LogRecord>(
      [&](evidence::KernelMemory& memory, const auto& visit) {
        totals = evidence::read_kernel_log(memory, kernel.info(), visit);
      },
      put);
  if (!arguments.json) return;
  print(fmt::format("{}],\n  \"lost\": {},\n  \"release\": {}\n}}\n",
                    first ? "{\n  \"records\": [" : "\n  ", totals.lost,
                    json_text(std::string(kernel.info().value("OSRELEASE").value_or("")), -1)));
}

Exit run_dmesg(const DmesgArguments& arguments) {
  const GuestSource guest({arguments.file, arguments.bases, arguments.via});
  return print_confined(guest, arguments.no_sandbox, [&] { print_log(arguments, guest); });
}

}  // namespace

void add_dmesg_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<DmesgArguments>();
  Command command = ferry.add_command("dmesg", "Print the kernel's log of a guest");
  command.footer(
      "Example: ferry dmesg web1.ferry\n"
      "         ferry dmesg web1\n"
      "         ferry dmesg --json web1.ferry | jq -r '.records[] | select(.level < 4) | .text'\n"
      "Needs no symbols: Linux 5.10 and later say in their memory where their log is. What could "
      "steer a\n"
      "terminal is printed as \\x1b.");
  command.add_option("FILE", arguments->file, kGuestOrImage).required();
  command.add_flag("-r,--raw", arguments->raw, "Print facility and level before each line: <6>");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_via(command, arguments->via);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_dmesg(*arguments); });
}

}  // namespace ferry
