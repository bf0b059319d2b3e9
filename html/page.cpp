// The page: its head, its policy and its sections.
#include <fmt/format.h>

#include "html/escape.h"
#include "html/facts.h"
#include "html/findings.h"
#include "html/memory_figure.h"
#include "html/report.h"
#include "html/rounds_figure.h"
#include "html/style.h"
#include "html/tables.h"

namespace ferry::html {
namespace {

struct Section {
  std::string_view id, title;
  std::string content;
  bool narrow = false;  // beside others, where there is room
};

std::string side_by_side(const std::string& parts) {
  return "<div class=\"side\">\n" + parts + "</div>\n";
}

std::string memory(const Report& report) {
  const std::string unread =
      fmt::format("<p class=\"bad\">The pages cannot be read: {}.</p>\n", escaped(report.failure));
  return (report.failure.empty() ? std::string() : unread) +
         (report.memory.cells.empty() ? std::string() : memory_figure(report.memory)) +
         side_by_side(pages_table(report.summary) +
                      (report.census ? page_tables_table(*report.census) : std::string()));
}

// Of a save in one pass there is nothing to draw.
std::string one_pass(const std::vector<Round>& rounds) {
  if (rounds.size() != 1) return {};
  const Round& round = rounds.front();
  return fmt::format(
      "<p>{} pages were sent in one pass{}.</p>\n", grouped(round.pages),
      round.pages_per_second
          ? fmt::format(" of {:.3f} s, {:.1f} MiB a second", *round.seconds,
                        *round.pages_per_second * static_cast<double>(kPageSize) / (1 << 20))
          : "");
}

std::string rounds(const Report& report) {
  const std::vector<Round> rounds = rounds_of(report.summary.timeline, report.census);
  return one_pass(rounds) + rounds_figures(rounds) +
         side_by_side(rounds_tables(rounds, report.census));
}

std::vector<Section> sections(const Report& report) {
  std::vector<Section> all;
  all.push_back({"findings", "Findings", findings(report.audit)});
  all.push_back({"memory", "Memory", memory(report)});
  all.push_back({"rounds", "Rounds", rounds(report)});
  all.push_back({"vcpus", "vCPUs", vcpus_table(report.summary), true});
  all.push_back({"records", "Records", records_table(report.summary), true});
  all.push_back({"asks-for", "Asks for", asks_for_table(report), true});
  all.push_back({"config", "Configuration", config_table(report), true});
  return all;
}

// Nothing is loaded, nothing runs, and the one style is the one that is here.
std::string head(const std::string& title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'sha256-{}'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n",
      kStyleHash, title, kStyle);
}

}  // namespace

std::string page(const Report& report) {
  const std::string name = escaped(report.name.empty() ? "(no name)" : report.name, 100);
  std::string links, bodies;
  for (const Section& section : sections(report)) {
    links += fmt::format("<a href=\"#{}\">{}</a>\n", section.id, section.title);
    bodies +=
        fmt::format("<section{} aria-labelledby=\"{}\">\n<h2 id=\"{}\">{}</h2>\n{}</section>\n",
                    section.narrow ? " class=\"narrow\"" : "", section.id, section.id,
                    section.title, section.content);
  }
  return head(name + " – saved Xen PV guest") +
         fmt::format(
             "<body>\n<header>\n<p class=\"kind\">Saved Xen PV guest</p>\n<h1>{}</h1>\n{}{}"
             "<nav aria-label=\"Sections\">\n{}</nav>\n</header>\n<main>\n{}</main>\n"
             "<footer>{}, by ferry {}</footer>\n</body>\n</html>\n",
             name, verdict(report.audit), facts(report), links, bodies, escaped(report.file),
             FERRY_VERSION);
}

}  // namespace ferry::html
