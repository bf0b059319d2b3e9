// Whether what a host did with an image is what the audit said of it.
#include "tests/audit/agreement.h"

#include <charconv>
#include <regex>

#include "error/error.h"

namespace ferry::test {
namespace {

uint64_t number(const std::string& text) {
  const bool hex = text.starts_with("0x");
  uint64_t value = 0;
  std::from_chars(text.data() + (hex ? 2 : 0), text.data() + text.size(), value, hex ? 16 : 10);
  return value;
}

bool any_error(const audit::Result& result, const std::function<bool(const audit::Finding&)>& is) {
  for (const audit::Finding& finding : result.findings.kept())
    if (finding.rule->severity == audit::Severity::error && is(finding)) return true;
  return false;
}

std::optional<audit::Refusal> predicted_of(const Judged& judged) {
  return judged.result && judged.result->prediction ? judged.result->prediction->refusal
                                                    : std::nullopt;
}

// The table that a pin handed to Xen, by the engine's sentence.
std::string wrong_pin(const std::optional<audit::Refusal>& predicted, uint64_t pfn,
                      const Answer& answer) {
  if (!predicted) return "no refusal was predicted";
  if (predicted->step != audit::Refusal::Step::pin || predicted->pfn != pfn)
    return "another pin was predicted";
  return answer.stumbled_over(*predicted) ? "" : "another entry was predicted";
}

// Did the audit name what the host stumbled over? An empty text if so.
std::string unnamed(const audit::Result& result, const std::optional<audit::Refusal>& predicted,
                    const Answer& answer) {
  const auto named = [&](const std::function<bool(const audit::Finding&)>& is, const char* what) {
    return any_error(result, is) ? "" : what;
  };
  std::smatch m;
  if (predicted && predicted->by_chance && !answer.stumbled_over(*predicted)) return "";
  if (std::regex_search(answer.sentence, m,
                        std::regex("(?:refused to|could not) pin page table (0x[0-9a-f]+)")))
    return wrong_pin(predicted, number(m[1]), answer);
  if (std::regex_search(answer.sentence, m,
                        std::regex("page (0x[0-9a-f]+) \\(.*\\), entry ([0-9]+) is"))) {
    const uint64_t pfn = number(m[1]), index = number(m[2]);
    return named(
        [&](const audit::Finding& f) { return f.place.pfn == pfn && f.place.index == index; },
        "no finding at that entry");
  }
  if (std::regex_search(answer.sentence, m,
                        std::regex("page (0x[0-9a-f]+), which it does not contain"))) {
    const std::string name = "pfn " + m[1].str();
    return named(
        [&](const audit::Finding& f) { return f.sentence.find(name) != std::string::npos; },
        "no finding names that page");
  }
  if (std::regex_search(answer.sentence, m,
                        std::regex("registers and page tables of vCPU ([0-9]+)"))) {
    if (predicted && predicted->step != audit::Refusal::Step::pin &&
        predicted->vcpu == number(m[1]) && answer.stumbled_over(*predicted))
      return "";
  }
  if (std::regex_search(answer.sentence, m, std::regex("vCPU ([0-9]+)"))) {
    const uint64_t vcpu = number(m[1]);
    return named([&](const audit::Finding& f) { return f.place.vcpu == vcpu; },
                 "no finding about that vCPU");
  }
  return named([](const audit::Finding&) { return true; }, "no error at all");
}

}  // namespace

Judged judge(const Bytes& image) {
  try {
    Judged judged{.clean = false, .result = audit_image(image, {.keep = 2000})};
    judged.clean = judged.result->clean();
    return judged;
  } catch (const Error&) {
    return {};
  }
}

std::string disagreement(const Judged& judged, const Answer& answer) {
  const std::optional<audit::Refusal> predicted = predicted_of(judged);
  if (answer.taken)
    return predicted && !predicted->by_chance ? "a refusal was predicted, but the host took it"
                                              : "";
  if (judged.clean) return "clean, but the host refused";
  return judged.result ? unnamed(*judged.result, predicted, answer) : "";
}

std::string in_lines(const Judged& judged) {
  if (!judged.result) return "audit: cannot open it";
  std::string text = judged.result->prediction
                         ? "predicted: " + prediction_in_words(*judged.result->prediction)
                         : std::string("no prediction");
  unsigned lines = 0;
  for (const audit::Finding& finding : judged.result->findings.kept())
    if (++lines <= 6) text += fmt::format("\n  {}: {}", finding.rule->id, finding.sentence);
  return text;
}

}  // namespace ferry::test
