// ferry audit: would this image restore, and would the guest be the one that was saved?
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "audit/audit.h"
#include "config/json_text.h"
#include "pipeline/inline_executor.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct AuditArguments {
  std::string file;
  std::string explain;
  bool list_rules = false;
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
  std::string level = "full";
  size_t limit = 20;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, audit::kMostThreads);
};

audit::Level level_of(std::string_view name) {
  for (audit::Level level : {audit::Level::format, audit::Level::digests, audit::Level::structure})
    if (name == audit::level_name(level)) return level;
  return audit::Level::full;
}

ordered_json rule_as_json(const audit::Rule& rule) {
  return {{"id", rule.id},
          {"severity", audit::severity_name(rule.severity)},
          {"level", audit::level_name(rule.level)},
          {"title", rule.title},
          {"explanation", rule.explanation}};
}

void print_rules(std::span<const audit::Rule* const> rules, bool json) {
  if (json) {
    ordered_json list = ordered_json::array();
    for (const audit::Rule* rule : rules) list.push_back(rule_as_json(*rule));
    return print(json_text(list) + "\n");
  }
  std::string text;
  for (const audit::Rule* rule : rules) {
    text += fmt::format("{} ({}, level {})\n  {}\n  {}\n", rule->id,
                        audit::severity_name(rule->severity), audit::level_name(rule->level),
                        rule->title, rule->explanation);
  }
  print(text);
}

void explain(const AuditArguments& arguments) {
  if (arguments.list_rules) return print_rules(audit::all_rules(), arguments.json);
  const audit::Rule* rule = audit::find_rule(arguments.explain);
  if (rule == nullptr)
    fail(Errc::usage, "there is no rule {} (ferry audit --rules lists all)", arguments.explain);
  print_rules({&rule, 1}, arguments.json);
}

ordered_json finding_as_json(const audit::Finding& finding) {
  ordered_json json = {{"rule", finding.rule->id},
                       {"severity", audit::severity_name(finding.rule->severity)},
                       {"sentence", finding.sentence}};
  const audit::Place& place = finding.place;
  if (place.vcpu) json["vcpu"] = *place.vcpu;
  if (place.pfn) json["pfn"] = *place.pfn;
  if (place.level) json["pt_level"] = *place.level;
  if (place.index) json["entry"] = *place.index;
  if (place.record) json["record"] = *place.record;
  if (place.offset) json["offset_bytes"] = *place.offset;
  return json;
}

ordered_json prediction_as_json(const audit::Prediction& prediction) {
  ordered_json json = {
      {"accepted", prediction.known ? ordered_json(!prediction.refusal) : ordered_json()},
      {"vcpus", prediction.vcpus},
      {"pins", prediction.pins},
      {"sentence", audit::prediction_in_words(prediction)}};
  if (!prediction.refusal) return json;
  const audit::Refusal& refusal = *prediction.refusal;
  if (refusal.step == audit::Refusal::Step::pin)
    json["pin_pfn"] = refusal.pfn;
  else
    json["vcpu"] = refusal.vcpu;
  json["errno"] = refusal.error;
  json["by_chance"] = refusal.by_chance;
  if (refusal.entry.pfn) json["pfn"] = *refusal.entry.pfn;
  if (refusal.entry.level) json["pt_level"] = *refusal.entry.level;
  if (refusal.entry.index) json["entry"] = *refusal.entry.index;
  return json;
}

std::string report_as_json(const AuditArguments& arguments, const audit::Result& result,
                           const sandbox::Confinement& confinement) {
  ordered_json rules = ordered_json::array(), findings = ordered_json::array();
  for (const audit::Rule* rule : audit::all_rules()) {
    if (const uint64_t count = result.findings.count(*rule); count != 0) {
      rules.push_back(
          {{"id", rule->id}, {"severity", audit::severity_name(rule->severity)}, {"count", count}});
    }
  }
  for (const audit::Finding& finding : result.findings.kept())
    findings.push_back(finding_as_json(finding));
  ordered_json report = {{"file", arguments.file},
                         {"verdict", result.clean() ? "clean" : "bad"},
                         {"level", arguments.level},
                         {"judged", audit::level_name(result.judged)},
                         {"sandbox", sandbox_as_json(confinement)},
                         {"image_bytes", result.bytes},
                         {"records", result.records},
                         {"errors", result.findings.count(audit::Severity::error)},
                         {"warnings", result.findings.count(audit::Severity::warning)},
                         {"rules", rules},
                         {"findings", findings}};
  if (result.prediction) report["restore"] = prediction_as_json(*result.prediction);
  return json_text(report) + "\n";
}

std::string counted(uint64_t n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string report_as_text(const AuditArguments& arguments, const audit::Result& result) {
  std::string text;
  for (const audit::Finding& finding : result.findings.kept()) {
    text += fmt::format("{:<7} {}: {}\n", audit::severity_name(finding.rule->severity),
                        finding.rule->id, printable(audit::finding_in_words(finding)));
  }
  for (const audit::Rule* rule : audit::all_rules()) {
    const uint64_t count = result.findings.count(*rule);
    if (count > arguments.limit)
      text += fmt::format("{:<7} {}: {} more\n", audit::severity_name(rule->severity), rule->id,
                          count - arguments.limit);
  }
  if (result.prediction && (result.prediction->refusal || !result.prediction->known))
    text += fmt::format("restore {}\n", printable(audit::prediction_in_words(*result.prediction)));
  const uint64_t errors = result.findings.count(audit::Severity::error);
  const uint64_t warnings = result.findings.count(audit::Severity::warning);
  text += fmt::format("{}: {}", arguments.file, result.clean() ? "clean" : "bad");
  if (errors + warnings != 0)
    text += fmt::format(", {} and {}", counted(errors, "error"), counted(warnings, "warning"));
  text += fmt::format("; {}, {}; judged: {}", counted(result.records, "record"),
                      human_bytes(result.bytes), audit::level_name(result.judged));
  if (result.judged < level_of(arguments.level))
    text += ", because bytes that are not sound say nothing about the guest";
  return text + "\n";
}

// What could not even be opened as an image is a finding too, for whoever reads --json.
void print_refusal(const AuditArguments& arguments, const Error& error,
                   const sandbox::Confinement& confinement) {
  if (!arguments.json || error.code() != Errc::bad_image) return;
  audit::Result result{.findings = audit::Findings(arguments.limit),
                       .judged = audit::Level::format};
  result.findings.add(audit::rule::framing, {}, "{}", error.what());
  print(report_as_json(arguments, result, confinement));
}

Exit judge(const AuditArguments& arguments, const delta::ImageFiles& file,
           const sandbox::Confinement& confinement) {
  const std::unique_ptr<Executor> executor = arguments.threads == 1
                                                 ? std::make_unique<InlineExecutor>()
                                                 : make_thread_executor(arguments.threads);
  const audit::Options options{.level = level_of(arguments.level), .keep = arguments.limit};
  try {
    const audit::Result result = audit::run(file.open(), options, *executor);
    print(arguments.json ? report_as_json(arguments, result, confinement)
                         : report_as_text(arguments, result));
    return result.clean() ? Exit::done : Exit::bad_image;
  } catch (const Error& error) {
    print_refusal(arguments, error, confinement);
    throw;
  }
}

delta::ImageFiles opened(const AuditArguments& arguments) {
  try {
    return delta::ImageFiles(arguments.file, arguments.bases);
  } catch (const Error& error) {
    print_refusal(arguments, error, {});
    throw;
  }
}

Exit run_audit(const AuditArguments& arguments) {
  if (arguments.list_rules || !arguments.explain.empty()) {
    explain(arguments);
    return Exit::done;
  }
  if (arguments.file.empty())
    fail(Errc::usage, "audit needs a FILE (ferry audit --help says more)");
  const delta::ImageFiles file = opened(arguments);
  return read_confined(file, arguments.no_sandbox,
                       [&](const sandbox::Confinement& confinement) {
                         return sandbox::Done{judge(arguments, file, confinement)};
                       })
      .exit;
}

}  // namespace

void add_audit_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<AuditArguments>();
  Command command = ferry.add_command("audit", "Judge a saved image: would it restore?");
  command.footer(
      "Example: ferry audit web1.ferry\n"
      "         ferry audit --level digests --json web1.save\n"
      "Prints each finding with its rule; --explain ID says what a rule means. Exit code 0 if\n"
      "there is no error (warnings are allowed), 3 if there is one.");
  command.add_option("FILE", arguments->file, "Image, or xl save file that holds one");
  command
      .add_option("--level", arguments->level,
                  "How much to look at: format, digests, structure or full (default)")
      .one_of({"format", "digests", "structure", "full"})
      .type_name("LEVEL");
  command.add_option("--explain", arguments->explain, "Say what the rule ID means, and stop")
      .type_name("ID");
  command.add_flag("--rules", arguments->list_rules, "List all rules, and stop");
  command.add_option("--limit", arguments->limit, "Findings of one rule to print (default 20)")
      .in_range(1, 1000)
      .type_name("N");
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1u, audit::kMostThreads)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_audit(*arguments); });
}

}  // namespace ferry
