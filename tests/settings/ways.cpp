// The ways in which a setting is given.
#include "tests/settings/ways.h"

#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "error/error.h"
#include "host/control_socket.h"
#include "settings/conf.h"
#include "settings/environment.h"
#include "tests/files/folder.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry {
namespace {

// A setting that was not taken at all is neither a value nor a sentence.
std::string taken(const Settings& settings, const Setting& setting) {
  const std::string* text = settings.text_of(setting);
  return text ? *text : "(nothing)";
}

std::string sentence_or(const std::function<std::string()>& give) {
  try {
    return give();
  } catch (const Error& e) {
    return e.code() == Errc::usage ? e.what() : fmt::format("not a usage error: {}", e.what());
  }
}

Way command_line(Commands command, const std::string& name) {
  return {"ferry " + name,
          [command](const Setting& setting) { return (setting.commands & command) != 0; },
          option_of,
          [command](const Setting& setting, const std::string& text) {
            return sentence_or([&] {
              CommandLine line("", "settings_test");
              Settings said;
              host::add_settings(line, command, said);
              line.parse({option_of(setting), text});
              return taken(said, setting);
            });
          }};
}

Way environment() {
  return {"environment", [](const Setting&) { return true; }, variable_of,
          [](const Setting& setting, const std::string& text) {
            setenv(variable_of(setting).c_str(), text.c_str(), 1);
            const std::string result =
                sentence_or([&] { return taken(settings_of_environment(), setting); });
            unsetenv(variable_of(setting).c_str());
            return result;
          }};
}

Way conf(const std::shared_ptr<TestFolder>& folder) {
  const std::string path = folder->path("ferry.conf");
  return {
      "ferry.conf", [](const Setting& setting) { return setting.user != User::helper; },
      [path](const Setting& setting) { return fmt::format("{}, line 2, {}", path, setting.name); },
      [folder, path](const Setting& setting, const std::string& text) {
        std::ofstream(path) << "# ours\n" << setting.name << " = '" << text << "'\n";
        setenv("FERRY_CONF", path.c_str(), 1);
        const std::string result = sentence_or([&] { return taken(read_conf(), setting); });
        unsetenv("FERRY_CONF");
        return result;
      }};
}

// What a save that runs goes by, as the setting would be written.
std::string goes_by(const LiveControl& control, const Setting& setting) {
  if (setting.name == "bandwidth") return std::to_string(control.bytes_per_second >> 20);
  if (setting.name == "max_downtime") return std::to_string(control.max_downtime_us / 1000);
  return "(nothing)";
}

Way control_socket(const std::shared_ptr<TestFolder>& folder) {
  return {"control socket",
          [](const Setting& setting) { return (setting.commands & kJobSet) != 0; },
          [](const Setting& setting) { return std::string(setting.name); },
          [folder](const Setting& setting, const std::string& text) -> std::string {
            LiveControl control;
            helper::ControlSocket socket(folder->path("control"), control, [] {});
            const auto answer =
                nlohmann::json::parse(socket.answer(fmt::format("set {} {}", setting.name, text)));
            if (answer.contains("error")) return answer["error"];
            return goes_by(control, setting);
          }};
}

}  // namespace

std::vector<std::pair<Commands, std::string>> all_commands() {
  return {{kSave, "save"},      {kMigrate, "migrate"}, {kEstimate, "estimate"},
          {kJobSet, "job set"}, {kReceive, "receive"}, {kEvacuate, "evacuate"}};
}

std::vector<Way> all_ways() {
  const auto folder = std::make_shared<TestFolder>();
  std::vector<Way> ways = {environment(), conf(folder), control_socket(folder)};
  for (const auto& [command, name] : all_commands()) ways.push_back(command_line(command, name));
  return ways;
}

std::vector<std::string> good_values(const Setting& setting) {
  switch (setting.kind) {
    case Kind::number:
      if (!setting.word.empty())
        return {std::to_string(setting.lowest), std::string(setting.word),
                std::to_string(setting.highest)};
      return {std::to_string(setting.lowest), std::to_string(setting.highest)};
    case Kind::choice:
      return {choices_of(setting).begin(), choices_of(setting).end()};
    case Kind::text:
    case Kind::names:
      return {std::string(setting.lowest, 'a'), std::string(setting.highest, 'z')};
  }
  return {};
}

std::vector<std::string> bad_values(const Setting& setting) {
  switch (setting.kind) {
    case Kind::number:
      return {setting.lowest ? std::to_string(setting.lowest - 1) : "-1",
              std::to_string(setting.highest + 1),
              "automatic",
              "18446744073709551616",
              "2x",
              "0x2",
              "2.5"};
    case Kind::choice:
      return {"no such choice", "Auto", std::string(choices_of(setting)[0]) + "x"};
    case Kind::text:
    case Kind::names:
      return {std::string(setting.lowest - 1, 'a'), std::string(setting.highest + 1, 'z'),
              "a\x01"
              "b"};
  }
  return {};
}

}  // namespace ferry
