// ferry inspect: configuration, rounds and what is in the pages.
#include "tools/ferry/inspect_more.h"

#include <fmt/format.h>

#include "config/json_text.h"
#include "proto/pages.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "tools/ferry/config_json.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

// A value of the configuration at this place, or null.
ordered_json value_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer at(pointer);
  return config.contains(at) ? config[at] : ordered_json();
}

// For each element of a list the named values that it has.
ordered_json devices_of(const ordered_json& config, const char* list,
                        std::initializer_list<const char*> keys) {
  ordered_json devices = ordered_json::array();
  if (!config.contains(list) || !config[list].is_array()) return devices;
  for (const ordered_json& of : config[list]) {
    ordered_json device = ordered_json::object();
    for (const char* key : keys)
      if (of.is_object() && of.contains(key)) device[key] = of[key];
    devices.push_back(std::move(device));
  }
  return devices;
}

std::string in_words(const ordered_json& value) {
  return printable(value.is_string() ? value.get<std::string>() : json_text(value, -1));
}

}  // namespace

ordered_json config_as_json(const audit::Summary& summary) {
  const ordered_json config = config_of(summary);
  if (config.is_null()) return {};
  return {{"type", value_at(config, "/c_info/type")},
          {"max_vcpus", value_at(config, "/b_info/max_vcpus")},
          {"max_memory_kib", value_at(config, "/b_info/max_memkb")},
          {"target_memory_kib", value_at(config, "/b_info/target_memkb")},
          {"disks", devices_of(config, "disks", {"vdev", "pdev_path", "backend", "readwrite"})},
          {"nics", devices_of(config, "nics", {"devid", "mac", "bridge", "model"})},
          {"vfbs", devices_of(config, "vfbs", {"devid"})},
          {"pcidevs", devices_of(config, "pcidevs", {"domain", "bus", "dev", "func"})}};
}

std::vector<ConfigFinding> config_asks_for(const audit::Summary& summary) {
  // What a restore goes by: around an image in a file of xl, not in it.
  if (summary.place.of_libvirt) return {};
  if (summary.place.in_xl_file) return asks_for(summary.place.xl_config);
  return asks_for(summary.config ? summary.config->libxl_json() : std::string());
}

std::string asks_for_as_text(const std::vector<ConfigFinding>& findings) {
  std::string text;
  for (const ConfigFinding& finding : findings) text += finding_in_words(finding) + "\n";
  return text.empty() ? text : "\nasks for what is not taken unseen\n" + text;
}

ordered_json asks_for_as_json(const std::vector<ConfigFinding>& findings) {
  ordered_json list = ordered_json::array();
  for (const ConfigFinding& finding : findings)
    list.push_back({{"key", finding.key}, {"value", finding.value}, {"why", finding.why}});
  return list;
}

std::vector<std::pair<std::string, std::string>> config_in_words(const ordered_json& config) {
  std::vector<std::pair<std::string, std::string>> rows;
  if (config.is_null()) return rows;
  for (const auto& [name, value] : config.items()) {
    if (value.is_null()) continue;
    if (!value.is_array()) {
      rows.emplace_back(name, in_words(value));
      continue;
    }
    for (const ordered_json& device : value) {
      std::string words;
      for (const auto& [key, part] : device.items())
        words += fmt::format("{}{} {}", words.empty() ? "" : ", ", key, in_words(part));
      rows.emplace_back(name, words);
    }
  }
  return rows;
}

std::string config_as_text(const ordered_json& config) {
  std::string text;
  for (const auto& [name, words] : config_in_words(config))
    text += fmt::format("{:<18} {}\n", name, words);
  return text.empty() ? text : "\nconfiguration\n" + text;
}

std::string rounds_as_text(const audit::Summary& summary) {
  if (!summary.timeline || summary.timeline->round_us_size() < 2) return {};
  const v1::Timeline& line = *summary.timeline;
  std::string text = "\nround    ended after        pages   pages a second\n";
  uint64_t before = 0;
  for (int i = 0; i < line.round_us_size(); ++i) {
    const uint64_t at = line.round_us(i), took = at > before ? at - before : 0;
    const uint64_t pages = i < line.round_pages_size() ? line.round_pages(i) : 0;
    text += fmt::format("{:<6} {:>11.3f} s {:>12} {:>16}\n", i, static_cast<double>(at) / 1e6,
                        pages, took == 0 ? 0 : pages * 1'000'000 / took);
    before = at;
  }
  return text;
}

ordered_json census_as_json(const audit::Census& census) {
  ordered_json rounds = ordered_json::array(), tables = ordered_json::array();
  for (const auto& [number, round] : census.rounds) {
    ordered_json pages = ordered_json::object();
    for (const auto& [kind, count] : round.pages) pages[v1::PageKind_Name(kind)] = count;
    rounds.push_back({{"round", number}, {"bytes", round.bytes}, {"pages", pages}});
  }
  for (size_t i = 0; i < census.levels.size(); ++i) {
    const audit::TableCensus& of = census.levels[i];
    tables.push_back({{"pt_level", i + 1},
                      {"tables", of.tables},
                      {"pinned", of.pinned},
                      {"present", of.present},
                      {"writable", of.writable},
                      {"user", of.user},
                      {"no_execute", of.no_execute},
                      {"absent_but_set", of.absent}});
  }
  return {{"kernel", census.banner.empty() ? ordered_json() : ordered_json(census.banner)},
          {"pages_sent_again", census.memory.sum().again},
          {"rounds", rounds},
          {"page_tables", tables}};
}

std::string census_as_text(const audit::Census& census) {
  std::string text = fmt::format(
      "\nkernel   {}\n", census.banner.empty() ? "(no banner of Linux in memory)" : census.banner);
  if (const uint64_t again = census.memory.sum().again; again != 0)
    text += fmt::format("sent     {} pages more than once\n", again);
  text += "\nround  kind              pages            bytes\n";
  for (const auto& [number, round] : census.rounds) {
    text +=
        fmt::format("{:<6} {:<12} {:>10} {:>16}\n", number, "all", "", human_bytes(round.bytes));
    for (const auto& [kind, count] : round.pages)
      text += fmt::format("{:<6} {:<12} {:>10}\n", "", kind_name(kind), count);
  }
  text += "\ntables     tables   pinned      present     writable         user           NX\n";
  for (size_t i = 0; i < census.levels.size(); ++i) {
    const audit::TableCensus& of = census.levels[i];
    text += fmt::format("L{:<6} {:>9} {:>8} {:>12} {:>12} {:>12} {:>12}\n", i + 1, of.tables,
                        of.pinned, of.present, of.writable, of.user, of.no_execute);
  }
  return text;
}

}  // namespace ferry
