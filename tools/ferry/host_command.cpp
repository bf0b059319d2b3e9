// Commands that speak to Xen live in another program.
#include "tools/ferry/host_command.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "error/error.h"

namespace ferry {
namespace {

constexpr HostCommand kHostCommands[] = {
    {"save", "Save a domain into an image"},
    {"restore", "Restore a domain from an image"},
    {"resume", "Let a suspended guest go on"},
    {"migrate", "Move a running domain to another host"},
    {"evacuate", "Move all running domains to other hosts"},
    {"receive", "Receive a domain that is migrated to this host"},
    {"check", "Say what would stop a save or a migration"},
    {"estimate", "Estimate how long migrating a domain takes"},
    {"lend", "Let another program read a running guest"},
    {"job", "List, watch, steer and settle saves and migrations"},
};

}  // namespace

std::span<const HostCommand> host_commands() {
  return kHostCommands;
}

bool is_host_command(std::string_view name) {
  for (const HostCommand& command : kHostCommands)
    if (name == command.name) return true;
  return false;
}

std::string host_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail_errno(Errc::io, error.value(), "cannot find out where ferry is installed");
  return self.parent_path().parent_path() / "libexec" / "ferry-host";
}

void run_host_command(std::vector<std::string> words) {
  const std::string host = host_program();
  std::string name = host;
  std::vector<char*> arguments{name.data()};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(host.c_str(), arguments.data());
  if (errno == ENOENT)
    fail(Errc::unsupported, "the command {} is not installed: there is no {}", words.front(), host);
  fail_errno(Errc::io, errno, fmt::format("cannot run {}", host));
}

}  // namespace ferry
