// Whatever call fails, a save or a restore is right or ends with a clean error: the source as it
// was, nothing left mapped, and no domain that could run.
#include <gtest/gtest.h>

#include <cstdlib>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/seam/binding.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {
namespace {

// FERRY_SEED=N replays one seed; FERRY_SEEDS=N runs that many.
uint64_t seeds_to_run(uint64_t by_default) {
  const char* set = std::getenv("FERRY_SEEDS");
  return set ? std::strtoull(set, nullptr, 10) : by_default;
}

template <typename Run>
void for_seeds(uint64_t by_default, Run run) {
  if (const char* one = std::getenv("FERRY_SEED")) return run(std::strtoull(one, nullptr, 10));
  for (uint64_t seed = 1; seed <= seeds_to_run(by_default) && !::testing::Test::HasFailure();
       ++seed)
    run(seed);
}

// Nothing stays open or mapped, with one exception that is libxenctrl's: xc_machphys_mfn_list()
// loses a hypercall buffer when the memory for its own second one cannot be had.
void expect_nothing_left_open(const std::string& after) {
  static uint64_t lost_by_libxenctrl = 0;
  const SeamUsage usage = seam_usage();
  EXPECT_EQ(usage.handles, 0u) << after;
  EXPECT_EQ(usage.mapped_pages, 0u) << after;
  EXPECT_LE(usage.buffers, lost_by_libxenctrl + 1) << after;
  lost_by_libxenctrl = usage.buffers;
}

struct Tally {
  uint64_t clean = 0, save_errors = 0, restore_errors = 0;
};

std::string first_of(const std::vector<std::string>& sentences) {
  return sentences.empty() ? "" : sentences.front();
}

void survive(uint64_t seed, Tally& tally) {
  SCOPED_TRACE(fmt::format("replay with FERRY_SEED={}", seed));
  const GuestSpec spec = GuestSpec::random(seed, 1024);
  auto a = Host::create({.seed = seed, .frames = spec.pages + 2048});
  auto b = Host::create({.seed = ~seed, .frames = spec.pages + 2048});
  const ScratchGuest guest = build_guest(*a, spec);
  const GuestView before = view_guest(*a, guest.domid);
  auto executor = make_seeded_executor(seed, static_cast<unsigned>(1 + seed % 5));

  a->faults().fail_by_chance(static_cast<uint32_t>(seed % 4 * 1500), seed);
  const Saved saved = engine_save(*a, guest.domid, *executor);
  expect_nothing_left_open("the save");
  EXPECT_EQ(first_of(compare_views(guest, before, view_guest(*a, guest.domid))), "");
  if (!saved.done()) {
    ++tally.save_errors;
    EXPECT_NE(saved.sentence, "");
    EXPECT_GT(a->faults().failures(), 0u) << "failed without a fault: " << saved.sentence;
    return;
  }
  const RestoreTarget target = create_target(*b, spec.pages, spec.vcpus);
  b->faults().clear();
  b->faults().fail_by_chance(static_cast<uint32_t>(seed / 4 % 4 * 1500), seed);
  const Restored restored = engine_restore(*b, saved.image, target, *executor);
  expect_nothing_left_open("the restore");
  if (!restored.done()) {
    ++tally.restore_errors;
    EXPECT_GT(b->faults().failures(), 0u) << "failed without a fault: " << restored.sentence;
    return;
  }
  ++tally.clean;
  const auto differences =
      compare_restored(guest, before, *b, static_cast<DomainNumber>(restored.domid), kFerryRules);
  EXPECT_EQ(first_of(differences), "");
}

TEST(Adversity, random_faults_end_in_the_same_guest_or_in_a_clean_error) {
  Tally tally;
  for_seeds(120, [&](uint64_t seed) { survive(seed, tally); });
  fmt::print("{} whole round trips, {} clean save errors, {} clean restore errors\n", tally.clean,
             tally.save_errors, tally.restore_errors);
}

GuestSpec small_guest() {
  GuestSpec spec;
  spec.pages = 512;
  spec.tail = 100;
  spec.vcpus = 2;
  spec.processes = 2;
  return spec;
}

TEST(Adversity, every_call_of_a_save_can_fail) {
  const GuestSpec spec = small_guest();
  auto host = Host::create({.seed = 5, .frames = 4096});
  const ScratchGuest guest = build_guest(*host, spec);
  const GuestView before = view_guest(*host, guest.domid);
  auto executor = make_seeded_executor(1, 2);
  host->faults().clear();
  const Bytes image = engine_save(*host, guest.domid, *executor).image;
  const uint64_t calls = host->faults().calls();
  ASSERT_GT(calls, 20u);
  for (uint64_t n = 1; n <= calls; ++n) {
    host->faults().clear();
    host->faults().fail_call(n);
    const Saved saved = engine_save(*host, guest.domid, *executor);
    const CallKind kind = host->faults().kind_of_call(n);
    expect_nothing_left_open(fmt::format("call {} {}", n, name_of(kind)));
    if (kind == CallKind::unmap) continue;
    EXPECT_FALSE(saved.done()) << "nobody noticed the failure of call " << n << " "
                               << name_of(kind);
  }
  host->faults().clear();
  EXPECT_EQ(first_of(compare_views(guest, before, view_guest(*host, guest.domid))), "");
  fmt::print("every one of {} calls of a save was made to fail once\n", calls);
}

TEST(Adversity, another_tool_interface_is_told_as_such) {
  const GuestSpec spec = small_guest();
  auto host = Host::create({.seed = 5, .frames = 4096});
  const ScratchGuest guest = build_guest(*host, spec);
  host->faults().fail_nth(CallKind::domctl_info, 1, EACCES);
  const Saved saved = engine_save(*host, guest.domid, *make_thread_executor(1));
  EXPECT_EQ(saved.error, Errc::wrong_xen);
  EXPECT_NE(saved.sentence.find("4.17"), std::string::npos) << saved.sentence;
}

TEST(Adversity, every_call_of_a_restore_can_fail) {
  const GuestSpec spec = small_guest();
  auto source = Host::create({.seed = 5, .frames = 4096});
  const ScratchGuest guest = build_guest(*source, spec);
  const GuestView before = view_guest(*source, guest.domid);
  auto executor = make_seeded_executor(1, 2);
  const Bytes image = engine_save(*source, guest.domid, *executor).image;
  auto host = Host::create({.seed = 6, .frames = 4096});
  uint64_t failed = 0, got_by = 0;
  for (uint64_t n = 1;; ++n) {
    const RestoreTarget target = create_target(*host, spec.pages, spec.vcpus);
    host->faults().clear();
    host->faults().fail_call(n);
    const Restored restored = engine_restore(*host, image, target, *executor);
    const bool reached = host->faults().calls() >= n;
    const CallKind kind = reached ? host->faults().kind_of_call(n) : CallKind::unmap;
    host->faults().clear();
    expect_nothing_left_open(fmt::format("call {} {}", n, name_of(kind)));
    if (restored.done()) {
      // A large extent that cannot be had is made up of small ones; anything else is noticed.
      const auto differences = compare_restored(
          guest, before, *host, static_cast<DomainNumber>(restored.domid), kFerryRules);
      EXPECT_EQ(first_of(differences), "") << "call " << n << " " << name_of(kind);
      ++got_by;
    } else {
      ++failed;
    }
    destroy_domain(*host, restored.domid);
    if (!reached) break;
  }
  EXPECT_GT(failed, 20u);
  fmt::print("{} calls of a restore were made to fail; {} failures were made good\n",
             failed + got_by - 1, got_by - 1);
}

}  // namespace
}  // namespace ferry::sim

// The hypercall buffer that libxenctrl itself loses (expect_nothing_left_open) is not our leak.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libxenctrl\n";
}
