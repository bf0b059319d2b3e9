// The audit against a simulated host: images of simulated guests, damaged at random behind right
// digests, are judged by the one and restored on the other.
//
// Whenever the audit says clean, the host takes the restore; whenever the host refuses, the audit
// named what it stumbled over; and what the audit says that Xen would do with the page tables is
// what the host does. They share no rule.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <regex>

#include "pipeline/seeded_executor.h"
#include "sim/builder/guest_builder.h"
#include "sim/seam/binding.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/corruption.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"

namespace ferry::test {
namespace {

constexpr unsigned kGuests = 50, kImagesOfEach = 50;

struct Judged {
  bool clean = false;
  std::optional<audit::Result> result;  // empty if it could not be opened
};

Judged judge(const Bytes& image) {
  try {
    Judged judged{.clean = false, .result = audit_image(image, {.keep = 2000})};
    judged.clean = judged.result->clean();
    return judged;
  } catch (const Error&) {
    return {};
  }
}

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

// The entry of the host's refusal log that the audit predicted, or any page if it gave none.
bool log_has(sim::Host& host, const audit::Refusal& refusal) {
  const sim::RefusalLog& log = host.state().refusal_log;
  if (!refusal.entry.index) return true;  // the page itself, which is in the sentence
  for (uint32_t i = 0; i < log.depth; ++i) {
    const uint64_t pfn = host.m2p(mfn_t(log.path[i].table));
    if (pfn == refusal.entry.pfn && log.path[i].slot == refusal.entry.index) return true;
  }
  return false;
}

// Did the audit name what the host stumbled over? An empty text if so.
std::string unnamed(sim::Host& host, const audit::Result& result, const std::string& sentence) {
  std::smatch m;
  const auto predicted = result.prediction ? result.prediction->refusal : std::nullopt;
  if (predicted && predicted->by_chance && !log_has(host, *predicted)) return "";
  if (std::regex_search(sentence, m, std::regex("refused to pin page table (0x[0-9a-f]+)"))) {
    if (!predicted) return "no refusal was predicted";
    if (predicted->step != audit::Refusal::Step::pin || predicted->pfn != number(m[1]))
      return "another pin was predicted";
    return log_has(host, *predicted) ? "" : "another entry was predicted";
  }
  if (std::regex_search(sentence, m,
                        std::regex("page (0x[0-9a-f]+) \\(.*\\), entry ([0-9]+) is"))) {
    const uint64_t pfn = number(m[1]), index = number(m[2]);
    return any_error(result,
                     [&](const audit::Finding& f) {
                       return f.place.pfn == pfn && f.place.index == index;
                     })
               ? ""
               : "no finding at that entry";
  }
  if (std::regex_search(sentence, m, std::regex("page (0x[0-9a-f]+), which it does not contain"))) {
    const std::string name = "pfn " + m[1].str();
    return any_error(
               result,
               [&](const audit::Finding& f) { return f.sentence.find(name) != std::string::npos; })
               ? ""
               : "no finding names that page";
  }
  if (std::regex_search(sentence, m, std::regex("registers and page tables of vCPU ([0-9]+)"))) {
    if (predicted && predicted->step != audit::Refusal::Step::pin &&
        predicted->vcpu == number(m[1]) && log_has(host, *predicted))
      return "";
  }
  if (std::regex_search(sentence, m, std::regex("vCPU ([0-9]+)"))) {
    const uint64_t vcpu = number(m[1]);
    return any_error(result, [&](const audit::Finding& f) { return f.place.vcpu == vcpu; })
               ? ""
               : "no finding about that vCPU";
  }
  return any_error(result, [](const audit::Finding&) { return true; }) ? "" : "no error at all";
}

struct Tally {
  unsigned images = 0, clean = 0, refused = 0, bad_but_taken = 0, pages_refused = 0;
  std::map<std::string, unsigned> disagreements;
};

class CorruptedImages : public testing::Test {
 protected:
  void try_one(const TestGuest& guest, const sim::GuestSpec& spec, const std::string& what) {
    const Bytes image = build(guest);
    const Judged judged = judge(image);
    const sim::Restored restored = sim::engine_restore(
        *host_, image, sim::create_target(*host_, spec.pages, spec.vcpus), *executor_);
    ++tally_.images;
    tally_.clean += judged.clean;
    tally_.refused += !restored.done();
    tally_.bad_but_taken += restored.done() && !judged.clean;
    const std::string complaint = disagreement(judged, restored);
    if (!complaint.empty() && ++tally_.disagreements[complaint] <= 5) {
      ADD_FAILURE() << complaint << ": " << what
                    << "\n  host: " << (restored.done() ? "took it" : restored.sentence) << "\n  "
                    << said(judged);
    }
    sim::destroy_domain(*host_, restored.domid);
  }

  std::string disagreement(const Judged& judged, const sim::Restored& restored) {
    const auto refusal = judged.result && judged.result->prediction
                             ? judged.result->prediction->refusal
                             : std::nullopt;
    if (restored.done()) {
      if (refusal && !refusal->by_chance) return "a refusal was predicted, but the host took it";
      return "";  // bad in another way than Xen sees, if it is
    }
    if (judged.clean) return "clean, but the host refused";
    if (!judged.result) return "";
    tally_.pages_refused += refusal.has_value();
    return unnamed(*host_, *judged.result, restored.sentence);
  }

  static std::string said(const Judged& judged) {
    if (!judged.result) return "audit: cannot open it";
    std::string text = judged.result->prediction
                           ? "predicted: " + prediction_in_words(*judged.result->prediction)
                           : std::string("no prediction");
    unsigned lines = 0;
    for (const audit::Finding& finding : judged.result->findings.kept())
      if (++lines <= 6) text += fmt::format("\n  {}: {}", finding.rule->id, finding.sentence);
    return text;
  }

  std::unique_ptr<sim::Host> host_ = sim::Host::create({.seed = 77, .frames = 8192});
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 1);
  Tally tally_;
};

TEST_F(CorruptedImages, are_judged_by_the_audit_as_by_the_host) {
  sim::for_seeds(kGuests, [&](uint64_t seed) {
    sim::GuestSpec spec = sim::GuestSpec::random(seed, 400);
    spec.zero_percent = 90;  // the pages that matter are the others
    auto source = sim::Host::create({.seed = seed, .frames = 4096});
    const sim::ScratchGuest scratch = sim::build_guest(*source, spec);
    const sim::Saved saved = sim::engine_save(*source, scratch.domid, *executor_);
    ASSERT_TRUE(saved.done()) << saved.sentence;
    const TestGuest whole = TestGuest::of_image(saved.image);
    Random random(seed);
    for (unsigned i = 0; i < kImagesOfEach; ++i) {
      TestGuest guest = whole;
      std::string what = fmt::format("seed {}, image {}", seed, i);
      // The first is not damaged: it must be clean and taken.
      for (uint64_t n = i == 0 ? 0 : 1 + random() % 2; n > 0; --n)
        what += "; " + corrupt(guest, random);
      try_one(guest, spec, what);
    }
  });
  unsigned disagreements = 0;
  for (const auto& [what, count] : tally_.disagreements) {
    disagreements += count;
    fmt::print("{}: {}\n", what, count);
  }
  fmt::print(
      "{} images: {} clean and taken, {} refused by the host ({} of them for their page tables, at "
      "the entry that was predicted), {} bad in ways that a host cannot see; {} disagreements\n",
      tally_.images, tally_.clean, tally_.refused, tally_.pages_refused, tally_.bad_but_taken,
      disagreements);
  EXPECT_EQ(disagreements, 0u);
  if (sim::replays_one_seed()) return;
  EXPECT_GE(tally_.images, 2000u);
  EXPECT_GE(tally_.clean, kGuests);
  EXPECT_GE(tally_.pages_refused, 200u);
}

}  // namespace
}  // namespace ferry::test
