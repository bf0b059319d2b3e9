// The audit against a simulated host: images of simulated guests, damaged at random behind right
// digests, are judged by the one and restored on the other.
//
// Whenever the audit says clean, the host takes the restore; whenever the host refuses, the audit
// named what it stumbled over; and what the audit says that Xen would do with the page tables is
// what the host does. They share no rule.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "pipeline/seeded_executor.h"
#include "sim/builder/guest_builder.h"
#include "sim/seam/binding.h"
#include "tests/audit/agreement.h"
#include "tests/audit/corruption.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"

namespace ferry::test {
namespace {

constexpr unsigned kGuests = 50, kImagesOfEach = 50;

// Whether the host's log of its last refusal has the entry that the audit predicted.
bool log_has(sim::Host& host, const audit::Refusal& refusal) {
  const sim::RefusalLog& log = host.state().refusal_log;
  if (!refusal.entry.index) return true;  // the page itself, which is in the sentence
  for (uint32_t i = 0; i < log.depth; ++i) {
    const uint64_t pfn = host.m2p(mfn_t(log.path[i].table));
    if (pfn == refusal.entry.pfn && log.path[i].slot == refusal.entry.index) return true;
  }
  return false;
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
    tally_.pages_refused += !restored.done() && !judged.clean && judged.result &&
                            judged.result->prediction && judged.result->prediction->refusal;
    const std::string complaint = disagreement(
        judged,
        {.taken = restored.done(),
         .sentence = restored.sentence,
         .stumbled_over = [this](const auto& refusal) { return log_has(*host_, refusal); }});
    if (!complaint.empty() && ++tally_.disagreements[complaint] <= 5) {
      ADD_FAILURE() << complaint << ": " << what
                    << "\n  host: " << (restored.done() ? "took it" : restored.sentence) << "\n  "
                    << in_lines(judged);
    }
    sim::destroy_domain(*host_, restored.domid);
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
