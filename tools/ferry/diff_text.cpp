// ferry diff: how what is different is printed.
#include "tools/ferry/diff_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/json_text.h"
#include "text/printable.h"
#include "tools/ferry/config_json.h"
#include "tools/ferry/guest_source.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

std::string dump_row(char sign, uint64_t address, std::span<const std::byte> bytes) {
  std::string hex, letters;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    hex += fmt::format("{:02x} ", static_cast<unsigned>(byte));
    letters += c >= ' ' && c <= '~' ? c : '.';
  }
  return fmt::format("{}{:016x}  {}|{}|\n", sign, address, hex, letters);
}

std::string row_of(const evidence::ValueChange& change) {
  const auto word = [](const std::string& value) {
    return value.empty() ? std::string("nothing") : printable(value);
  };
  return fmt::format("{:<20} {} -> {}\n", printable(change.name), word(change.from),
                     word(change.to));
}

std::string name_of(v1::PageKind kind) {
  return kind == audit::kUnmentioned ? "not mentioned" : kind_name(kind);
}

std::string kinds_as_text(const evidence::PagesDiff& pages) {
  std::string text = fmt::format("{:<34} {:>10} {:>10}\n", "pages", "all", "changed");
  for (const auto& [kinds, change] : pages.kinds) {
    const std::string from = name_of(kinds.first), to = name_of(kinds.second);
    text += fmt::format("{:<34} {:>10} {:>10}\n", from == to ? from : from + " -> " + to,
                        change.pages, change.changed);
  }
  return text;
}

std::string vcpus_as_text(const std::vector<evidence::VcpuChange>& vcpus) {
  std::string text;
  for (const evidence::VcpuChange& vcpu : vcpus) {
    if (!vcpu.in_a || !vcpu.in_b)
      text +=
          fmt::format("\nvCPU {}: only in the {} image\n", vcpu.id, vcpu.in_a ? "first" : "second");
    else
      text += fmt::format("\nvCPU {}: {}\n", vcpu.id, fmt::join(vcpu.parts, ", "));
    for (const evidence::ValueChange& change : vcpu.registers) text += row_of(change);
  }
  return text;
}

ordered_json change_as_json(const evidence::ValueChange& change) {
  return {{"name", change.name}, {"from", change.from}, {"to", change.to}};
}

ordered_json changes_as_json(const std::vector<evidence::ValueChange>& changes) {
  ordered_json all = ordered_json::array();
  for (const evidence::ValueChange& change : changes) all.push_back(change_as_json(change));
  return all;
}

std::string kind_as_json(v1::PageKind kind) {
  return kind == audit::kUnmentioned ? "UNMENTIONED" : v1::PageKind_Name(kind);
}

}  // namespace

std::vector<evidence::ValueChange> diff_config(const ImageFile& a, const ImageFile& b) {
  const ordered_json from = config_of(a).flatten(), to = config_of(b).flatten();
  std::set<std::string> places;
  for (const auto& side : {from, to})
    if (side.is_object())
      for (const auto& [place, value] : side.items()) places.insert(place);
  std::vector<evidence::ValueChange> changes;
  for (const std::string& place : places) {
    const auto text = [&](const ordered_json& side) {
      return side.contains(place) ? json_text(side[place], -1) : std::string();
    };
    if (text(from) != text(to)) changes.push_back({place, text(from), text(to)});
  }
  return changes;
}

std::string diff_as_text(const ImageDiff& diff) {
  std::string text = fmt::format("{} -> {}: {}\n\n", diff.from, diff.to,
                                 diff.same() ? std::string("the same")
                                             : fmt::format("{} of {} pages are not the same",
                                                           diff.pages.changed, diff.pages.pages));
  text += kinds_as_text(diff.pages);
  if (!diff.ranges.empty()) text += fmt::format("\npfns in {} ranges\n", diff.ranges_total);
  for (const PfnsThatDiffer& range : diff.ranges)
    text +=
        fmt::format("{:#x}..{:#x} ({})\n", range.first, range.first + range.pages - 1, range.pages);
  if (diff.ranges_total > diff.ranges.size())
    text += fmt::format("{} more\n", diff.ranges_total - diff.ranges.size());
  if (!diff.records.empty()) text += "\nguest\n";
  for (const evidence::ValueChange& change : diff.records) text += row_of(change);
  text += vcpus_as_text(diff.vcpus);
  if (!diff.config.empty()) text += "\nconfiguration\n";
  for (const evidence::ValueChange& change : diff.config) text += row_of(change);
  for (const auto& [name, seen] : diff.running) {
    const std::string words = in_words(name, seen);
    if (!words.empty()) text += "\n" + words;
  }
  return text;
}

ordered_json diff_as_json(const ImageDiff& diff) {
  ordered_json kinds = ordered_json::array(), ranges = ordered_json::array(),
               vcpus = ordered_json::array();
  for (const auto& [pair, change] : diff.pages.kinds)
    kinds.push_back({{"from", kind_as_json(pair.first)},
                     {"to", kind_as_json(pair.second)},
                     {"pages", change.pages},
                     {"changed", change.changed}});
  for (const PfnsThatDiffer& range : diff.ranges)
    ranges.push_back({{"first_pfn", range.first}, {"pages", range.pages}});
  for (const evidence::VcpuChange& vcpu : diff.vcpus)
    vcpus.push_back({{"id", vcpu.id},
                     {"in_from", vcpu.in_a},
                     {"in_to", vcpu.in_b},
                     {"parts", vcpu.parts},
                     {"registers", changes_as_json(vcpu.registers)}});
  ordered_json json = {{"from", diff.from},
                       {"to", diff.to},
                       {"same", diff.same()},
                       {"pages", diff.pages.pages},
                       {"changed", diff.pages.changed},
                       {"kinds", kinds},
                       {"ranges", ranges},
                       {"ranges_total", diff.ranges_total},
                       {"guest", changes_as_json(diff.records)},
                       {"vcpus", vcpus},
                       {"config", changes_as_json(diff.config)}};
  for (const auto& [name, seen] : diff.running)
    json["running"].push_back({{"name", name},
                               {"one_moment", seen.one_moment},
                               {"lost_pages", seen.lost_pages},
                               {"lost_entries", seen.lost_entries}});
  return json;
}

std::string page_as_text(const evidence::ChangedPage& page) {
  constexpr size_t kRow = 16;
  std::string text =
      fmt::format("pfn {:#x}: {} -> {}\n", page.pfn, name_of(page.from), name_of(page.to));
  if (page.from_bytes.empty() || page.to_bytes.empty()) return text;
  for (size_t at = 0; at < kPageSize; at += kRow) {
    const auto from = page.from_bytes.subspan(at, kRow), to = page.to_bytes.subspan(at, kRow);
    if (std::ranges::equal(from, to)) continue;
    const uint64_t address = (page.pfn << kPageShift) + at;
    text += dump_row('-', address, from) + dump_row('+', address, to);
  }
  return text;
}

}  // namespace ferry
