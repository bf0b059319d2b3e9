// Commands that look into guests, saved or running.
#include "tools/ferry-sim/reading_commands.h"

#include <fmt/format.h>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace ferry::sim {
namespace {

// As a shell takes it for one word.
std::string quoted(const std::string& word) {
  std::string all = "'";
  for (const char c : word) all += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return all + "'";
}

void read_guests(const Command& command, const std::string& host) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  std::vector<std::string> words{command.name()};
  for (const std::string& word : command.extra_arguments()) words.push_back(word);
  words.insert(words.begin() + 1,
               {"--via", fmt::format("{} --host {} lend", quoted(self), quoted(host))});
  exec_ferry(std::move(words));
}

}  // namespace

void add_reading_commands(Command app, HostPath host) {
  for (const auto& [name, what] :
       {std::pair{"core", "Write an ELF core of a guest: the command of ferry"},
        std::pair{"dmesg", "Print the kernel's log of a guest: the command of ferry"},
        std::pair{"ps", "List the processes of a guest: the command of ferry"},
        std::pair{"diff", "Show what is different between guests: the command of ferry"}}) {
    Command command = app.add_command(name, what).leave_extra_arguments().group("Image commands");
    command.callback([command, host] { read_guests(command, *host); });
  }
}

}  // namespace ferry::sim
