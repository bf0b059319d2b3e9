// Settings as options of a command.
#include "tools/ferry-host/setting_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ferry::host {
namespace {

std::string placeholder(const Setting& setting) {
  switch (setting.kind) {
    case Kind::number:
      return setting.word.empty() ? "NUMBER" : fmt::format("{}|NUMBER", setting.word);
    case Kind::choice:
      return fmt::format("{}", fmt::join(choices_of(setting), "|"));
    case Kind::text:
      return "TEXT";
    case Kind::names:
      return "NAME";
  }
  return "";
}

Option add_setting(Command app, const Setting& setting, Settings& said) {
  const std::string option = option_of(setting);
  if (setting.kind == Kind::names)
    return app.add_option_for_words(
        option,
        [&setting, &said, option](const std::vector<std::string>& names) {
          said.set(setting, fmt::format("{}", fmt::join(names, ", ")), option);
        },
        help_of(setting));
  return app.add_option_for_word(
      option,
      [&setting, &said, option](const std::string& text) { said.set(setting, text, option); },
      help_of(setting));
}

}  // namespace

std::vector<Option> add_settings(Command app, Commands command, Settings& said) {
  std::vector<Option> options;
  for (const Setting& setting : kSettings)
    if (setting.commands & command)
      options.push_back(add_setting(app, setting, said).type_name(placeholder(setting)));
  return options;
}

std::string setting_options(Commands command) {
  std::vector<std::string> options;
  for (const Setting& setting : kSettings)
    if (setting.commands & command) options.push_back(option_of(setting));
  return fmt::format("{}", fmt::join(options, ", "));
}

}  // namespace ferry::host
