// What an image holds, in tables.
#include "html/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "html/escape.h"
#include "html/table.h"
#include "proto/pages.h"
#include "text/human_bytes.h"

namespace ferry::html {
namespace {

constexpr size_t kMostRows = 64;

std::string dash_or(const std::optional<double>& value, int digits, double unit = 1) {
  return value ? fmt::format("{:.{}f}", *value * unit, digits) : "–";
}

std::string pfn(const std::optional<uint64_t>& value) {
  return value ? fmt::format("{:#x}", *value) : "–";
}

constexpr double kMibOfPage = static_cast<double>(kPageSize) / (1 << 20);

std::string when_table(const std::vector<Round>& rounds) {
  Table table("When and how fast", {{"round", true},
                                    {"ended, s", true},
                                    {"pages", true},
                                    {"image", true},
                                    {"sent, MiB/s", true},
                                    {"dirty, MiB/s", true}});
  const size_t shown = std::min(rounds.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i) {
    const Round& round = rounds[i];
    table.row({std::to_string(i), dash_or(round.ended, 3), grouped(round.pages),
               round.bytes == 0 ? "–" : human_bytes(round.bytes),
               dash_or(round.pages_per_second, 1, kMibOfPage),
               dash_or(round.dirty_per_second, 1, kMibOfPage)});
  }
  table.note(and_more(rounds.size(), shown, "rounds"));
  return table.html();
}

// Page tables of all levels are one here: which of them a round sent says little.
std::vector<std::string> by_class(const audit::RoundCensus& round) {
  uint64_t data = 0, zero = 0, tables = 0, leaves = 0, absent = 0;
  for (const auto& [kind, pages] : round.pages)
    (is_page_table(kind)    ? tables
     : kind == v1::ZERO     ? zero
     : kind == v1::P2M_LEAF ? leaves
     : kind == v1::ABSENT   ? absent
                            : data) += pages;
  return {grouped(data), grouped(zero), grouped(tables), grouped(leaves), grouped(absent)};
}

std::string classes_table(const audit::Census& census) {
  Table table("What each round had", {{"round", true},
                                      {"data", true},
                                      {"zero", true},
                                      {"page tables", true},
                                      {"p2m leaves", true},
                                      {"no frame", true}});
  size_t shown = 0;
  for (const auto& [number, round] : census.rounds) {
    if (shown++ == kMostRows) break;
    std::vector<std::string> cells = by_class(round);
    cells.insert(cells.begin(), std::to_string(number));
    table.row(cells);
  }
  table.note(and_more(census.rounds.size(), kMostRows, "rounds"));
  return table.html();
}

}  // namespace

std::string pages_table(const audit::Summary& summary) {
  Table table(
      "Pages by kind",
      {{"kind"}, {"pages", true}, {"in the guest", true}, {"stored", true}, {"ratio", true}});
  for (const audit::PagesOfKind& of : summary.pages_by_kind) {
    const uint64_t bytes = of.kind == v1::ABSENT ? 0 : of.pages * kPageSize;
    table.row(
        {kind_name(of.kind), grouped(of.pages), human_bytes(bytes), human_bytes(of.stored_bytes),
         of.stored_bytes == 0 ? "–"
                              : fmt::format("{:.2f}", static_cast<double>(bytes) /
                                                          static_cast<double>(of.stored_bytes))});
  }
  table.note("Stored is a kind's share of the batches that it is in.");
  return table.html();
}

std::string rounds_tables(const std::vector<Round>& rounds,
                          const std::optional<audit::Census>& of) {
  return (rounds.empty() ? std::string() : when_table(rounds)) +
         (of ? classes_table(*of) : std::string());
}

std::string page_tables_table(const audit::Census& census) {
  Table table("Page tables, and what is in them",
              {{"level"}, {"L4", true}, {"L3", true}, {"L2", true}, {"L1", true}});
  using Count = uint64_t audit::TableCensus::*;
  constexpr std::pair<const char*, Count> kRows[] = {
      {"tables", &audit::TableCensus::tables},
      {"pinned", &audit::TableCensus::pinned},
      {"entries present", &audit::TableCensus::present},
      {"writable", &audit::TableCensus::writable},
      {"for user mode", &audit::TableCensus::user},
      {"no-execute", &audit::TableCensus::no_execute},
      {"not present, not 0", &audit::TableCensus::absent}};
  for (const auto& [name, count] : kRows) {
    std::vector<std::string> cells{name};
    for (size_t level = 4; level >= 1; --level)
      cells.push_back(grouped(census.levels[level - 1].*count));
    table.row(cells);
  }
  return table.html();
}

std::string records_table(const audit::Summary& summary) {
  Table table("By kind", {{"kind"}, {"records", true}, {"bytes", true}});
  for (const audit::RecordsOfKind& of : summary.records_by_kind)
    table.row({of.kind, grouped(of.count), grouped(of.bytes)});
  return table.html();
}

std::string vcpus_table(const audit::Summary& summary) {
  Table table("What each vCPU had loaded", {{"vCPU", true},
                                            {"cr3 pfn", true},
                                            {"user cr3 pfn", true},
                                            {"GDT entries", true},
                                            {"XSAVE bytes", true},
                                            {"MSRs", true}});
  const size_t shown = std::min(summary.vcpus.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i) {
    const audit::VcpuSummary& vcpu = summary.vcpus[i];
    table.row({std::to_string(vcpu.id), pfn(vcpu.cr3_pfn), pfn(vcpu.user_cr3_pfn),
               grouped(vcpu.gdt_entries), grouped(vcpu.xsave_bytes), grouped(vcpu.msrs)});
  }
  table.note(and_more(summary.vcpus.size(), shown, "vCPUs"));
  return table.html();
}

std::string asks_for_table(const Report& report) {
  if (report.asks_for.empty())
    return "<p>Ordinary disks, networks and kernels only, as far as names tell.</p>\n";
  Table table("Not taken unseen", {{"setting"}, {"value"}, {"why"}});
  const size_t shown = std::min(report.asks_for.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i)
    table.row({report.asks_for[i][0], report.asks_for[i][1], report.asks_for[i][2]});
  table.note(and_more(report.asks_for.size(), shown, "settings"));
  return table.html();
}

std::string config_table(const Report& report) {
  if (report.config.empty()) return "<p>The image has no configuration that ferry can read.</p>\n";
  Table table("As libxl has it", {{"setting"}, {"value"}});
  const size_t shown = std::min(report.config.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i) table.row({report.config[i].first, report.config[i].second});
  table.note(and_more(report.config.size(), shown, "settings"));
  return table.html();
}

}  // namespace ferry::html
