// The table of settings in docs/host.md.
#include "tests/settings/handbook.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "settings/table.h"

namespace ferry {
namespace {

constexpr char kHead[] =
    "| setting | value | default | meaning | as an option |\n|---|---|---|---|---|\n";

std::string value(const Setting& setting) {
  switch (setting.kind) {
    case Kind::number:
      return fmt::format("{}{}{} to {}",
                         setting.unit.empty() ? "" : fmt::format("{}, ", setting.unit),
                         setting.word.empty() ? "" : fmt::format("`{}`, ", setting.word),
                         setting.lowest, setting.highest);
    case Kind::choice:
      return fmt::format("`{}`", fmt::join(choices_of(setting), "`, `"));
    case Kind::text:
      return "text";
    case Kind::names:
      return "names";
  }
  return "";
}

std::string whose(User user) {
  switch (user) {
    case User::live:
      return "live: ";
    case User::migrate:
      return "`ferry migrate`: ";
    case User::evacuate:
      return "`ferry evacuate`: ";
    case User::receive:
      return "`ferry receive`: ";
    default:
      return "";
  }
}

std::string options(const Setting& setting) {
  std::vector<std::string> commands;
  if (setting.commands & kSave) commands.push_back("`save`");
  if (setting.commands & kMigrate) commands.push_back("`migrate`");
  if (setting.commands & kEstimate) commands.push_back("`estimate`");
  if (setting.commands & kJobSet) commands.push_back("`job set`");
  if (setting.commands & kReceive) commands.push_back("`receive`");
  if (setting.commands & kEvacuate) commands.push_back("`evacuate`");
  if (commands.empty()) return "";
  return fmt::format("`{}` of {}", option_of(setting), fmt::join(commands, ", "));
}

}  // namespace

std::string handbook_table() {
  std::string table = kHead;
  for (const Setting& setting : kSettings)
    if (setting.user != User::helper)
      table +=
          fmt::format("| `{}` | {} | {} | {}{} | {} |\n", setting.name, value(setting),
                      default_of(setting), whose(setting.user), setting.help, options(setting));
  return table;
}

std::string table_in(const std::string& text) {
  const size_t begin = text.find("| setting |");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find("\n\n", begin) + 1 - begin);
}

}  // namespace ferry
