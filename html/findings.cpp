// What the audit found.
#include "html/findings.h"

#include "html/escape.h"

namespace ferry::html {
namespace {

std::string counted(uint64_t n, std::string_view what) {
  return fmt::format("{} {}{}", grouped(n), what, n == 1 ? "" : "s");
}

std::string place_in_words(const audit::Place& place) {
  std::string words;
  const auto add = [&](std::string_view part) {
    words += fmt::format("{}{}", words.empty() ? "" : ", ", part);
  };
  if (place.vcpu) add(fmt::format("vCPU {}", *place.vcpu));
  if (place.level) add(fmt::format("L{} table", *place.level));
  if (place.pfn) add(fmt::format("pfn {:#x}", *place.pfn));
  if (place.index) add(fmt::format("entry {}", *place.index));
  if (place.record) add(fmt::format("record {}", *place.record));
  if (place.offset) add(fmt::format("byte {}", *place.offset));
  return words;
}

// A rule, and what broke it.
std::string item(const audit::Rule& rule, const audit::Findings& findings) {
  const char* severity = audit::severity_name(rule.severity);
  std::string html = fmt::format(
      "<li class=\"{}\">\n<h3><span class=\"severity\">{}</span> <code>{}</code></h3>\n<p>{}</p>\n"
      "<ul>\n",
      severity, severity, rule.id, escaped(rule.title));
  uint64_t shown = 0;
  for (const audit::Finding& finding : findings.kept()) {
    if (finding.rule != &rule) continue;
    ++shown;
    const std::string place = place_in_words(finding.place);
    html += fmt::format("<li>{}{}</li>\n", escaped(finding.sentence),
                        place.empty() ? place : fmt::format(" <small>{}</small>", place));
  }
  if (const uint64_t count = findings.count(rule); count > shown)
    html += fmt::format("<li>and {} more</li>\n", grouped(count - shown));
  return html + "</ul>\n</li>\n";
}

std::string judged(const audit::Result& result) {
  std::string words = fmt::format("{} and {} judged, level {}", counted(result.records, "record"),
                                  counted(result.bytes, "byte"), audit::level_name(result.judged));
  if (result.judged < audit::Level::full)
    words += ": bytes that are not sound say nothing about the guest";
  if (result.prediction) words += fmt::format(". {}", prediction_in_words(*result.prediction));
  return fmt::format("<p>{}.</p>\n", escaped(words));
}

}  // namespace

std::string verdict(const audit::Result& result) {
  const uint64_t errors = result.findings.count(audit::Severity::error);
  const uint64_t warnings = result.findings.count(audit::Severity::warning);
  std::string words;
  if (errors != 0) words = counted(errors, "error");
  if (warnings != 0)
    words += fmt::format("{}{}", words.empty() ? "" : ", ", counted(warnings, "warning"));
  return fmt::format("<p class=\"verdict {}\">Audit: {}</p>\n",
                     errors != 0     ? "error"
                     : warnings != 0 ? "warning"
                                     : "clean",
                     words.empty() ? "no finding" : words);
}

std::string findings(const audit::Result& result) {
  std::string items;
  for (const audit::Severity severity : {audit::Severity::error, audit::Severity::warning})
    for (const audit::Rule* rule : audit::all_rules())
      if (rule->severity == severity && result.findings.count(*rule) != 0)
        items += item(*rule, result.findings);
  if (items.empty()) items = "<li class=\"clean\"><h3>No rule is broken</h3></li>\n";
  return "<ul class=\"findings\">\n" + items + "</ul>\n" + judged(result);
}

}  // namespace ferry::html
