// Commands that speak to Xen live in another program, so that this one needs no library of Xen's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

struct HostCommand {
  const char* name;
  const char* what;  // one line of help
};

std::span<const HostCommand> host_commands();
bool is_host_command(std::string_view name);

// Where that program would be. Throws Error(io).
std::string host_program();

// Becomes ../libexec/ferry-host with these words (seen from the folder of this program's real
// file). Does not return. Throws Error(unsupported) if that is not installed.
[[noreturn]] void run_host_command(std::vector<std::string> words);

}  // namespace ferry
