// What restore takes alike on a host and on a simulated one.
#include "tools/ferry-host/restore_options.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"
#include "text/human_bytes.h"
#include "text/print.h"
#include "text/printable.h"

namespace ferry::host {
namespace {

constexpr uint64_t kMostMemoryMib = uint64_t{1} << 24;  // 16 TiB: what an image can have

}  // namespace

void add_memory_option(Command command, RestoreAs& as) {
  command
      .add_option("--memory", as.memory_mib,
                  "Give the guest so many MiB, whatever its configuration says; at least what it "
                  "had when it was saved")
      .in_range(uint64_t{1}, kMostMemoryMib)
      .type_name("MIB");
}

void add_dry_run_option(Command command, bool& dry_run) {
  command.add_flag("--dry-run", dry_run,
                   "Only look whether the guest could be restored here, and say as what");
}

void tell_dry_run(const RestoreConfig& config, const RestoreAs& as, uint64_t guest_bytes,
                  bool paused) {
  print_answer("{} would be restored as {}, with {} of memory{}; nothing was made\n",
               as.file == "-" ? "standard input" : printable(as.file),
               printable(config.json["c_info"].value("name", std::string())),
               human_bytes(guest_bytes), paused ? ", paused" : "");
}

void add_base_option(Command command, std::vector<std::string>& bases) {
  command
      .add_option(
          "--base", bases,
          "Of a delta: what it was saved against, or the folder that has it; again for each "
          "further link, the oldest first")
      .type_name("FILE")
      .one_value();
}

Descriptor open_stream(const std::string& path) {
  if (path != "-") {
    Descriptor fifo(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fifo) fail_errno(Errc::io, errno, fmt::format("cannot open {}", path));
    return fifo;
  }
  if (isatty(STDIN_FILENO))
    fail(Errc::usage, "an image is not read from a terminal; redirect standard input");
  Descriptor input(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!input) fail_errno(Errc::io, errno, "cannot read from standard input");
  return input;
}

}  // namespace ferry::host
