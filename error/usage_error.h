// What is wrong with a command line, in one sentence that names the command and where to read more.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace ferry {

// "DOMAIN is required (ferry job set --help says more)". Of the commands named, the
// innermost is the one that somebody wants to read about. `app` has the program's name, and has
// just failed to parse with `error`.
inline std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string name = app.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().back();
    name += " " + command->get_name();
  }
  const bool wants_command = command->get_require_subcommand_min() > 0;
  if (!wants_command) return fmt::format("{} ({} --help says more)", error.what(), name);
  const std::vector<std::string> rest = command->remaining();
  if (rest.empty()) return fmt::format("which command? ({} --help lists all)", name);
  if (rest.front().starts_with('-'))
    return fmt::format("there is no option {} ({} --help says more)", rest.front(), name);
  const std::string of = name.substr(app.get_name().size());  // " job" of ferry job
  return fmt::format("there is no command{} {} ({} --help lists all)", of, rest.front(), name);
}

}  // namespace ferry
