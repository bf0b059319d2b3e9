// A guest that was saved while it ran is, when restored, the guest at the moment of its suspension.
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/machine/log_dirty.h"
#include "sim/seam/binding.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"
#include "tests/live/busy_guest.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

// One live save with a guest that works between the toolstack's calls and the engine's steps.
class LiveRun {
 public:
  LiveRun(uint64_t seed, Track track, uint64_t most_pages = 900)
      : seed_(seed), random_(seed ^ 0x11ce) {
    // Not every guest that can be drawn can be built.
    for (uint64_t draw = seed; !guest_; draw += 1'000'000) {
      spec_ = GuestSpec::random(draw, most_pages);
      source_ = Host::create(
          {.seed = seed, .frames = spec_.pages + 2048, .shadow_paging = track != Track::content});
      try {
        guest_ = std::make_unique<BusyGuest>(*source_, spec_, seed);
      } catch (const Error&) {
      }
    }
    target_ = Host::create({.seed = ~seed, .frames = spec_.pages + 2048});
    options_.timeline = false;
    options_.live.emplace();
    options_.live->track = track;
    options_.live->policy.max_rounds = 1 + static_cast<uint32_t>(seed % 5);
    // Virtual time: as long as the seed says from one look at the clock to the next.
    options_.live->now_us = [this] {
      const std::lock_guard lock(working_mutex_);
      return clock_ += 1 + random_.below(200'000);
    };
    options_.live->log = [this](std::string_view line) { log_ += "\n  " + std::string(line); };
  }

  Saved save() {
    return save(
        *make_seeded_executor(seed_, static_cast<unsigned>(1 + seed_ % 5), [this] { work(); }));
  }

  Saved save(Executor& executor) {
    source_->set_before_call([this](const Call& call) {
      const std::lock_guard lock(working_mutex_);
      batches_after_stop_ += stop_ && call.kind == CallKind::domctl_page_types;
      if (++calls_ == stop_at_) stop_ = true;
      work();
    });
    Saved saved = engine_save(
        *source_, guest_->domid(), executor, options_, [&] { guest_->suspend(); }, &stop_);
    source_->set_before_call({});
    // Only now: what the guest gave back stays its own as long as somebody maps it.
    at_suspension_ = view_guest(*source_, guest_->domid());
    return saved;
  }

  Restored restore(const Saved& saved) {
    auto executor = make_seeded_executor(~seed_, static_cast<unsigned>(1 + seed_ % 3));
    return engine_restore(*target_, saved.image, create_target(*target_, spec_.pages, spec_.vcpus),
                          *executor);
  }

  void expect_same(const Restored& restored) {
    const auto differences =
        compare_restored(guest_->built(), at_suspension_, *target_,
                         static_cast<DomainNumber>(restored.domid), kFerryRules);
    EXPECT_TRUE(differences.empty()) << joined(differences) << log_;
  }

  void expect_untracked() {
    EXPECT_FALSE(source_->find_domain(guest_->domid())->log_dirty.enabled);
    EXPECT_EQ(seam_usage().mapped_pages, 0u);
    EXPECT_EQ(seam_usage().handles, 0u);
  }

  // Told to stop when the toolstack makes its nth call.
  void stop_at(uint64_t nth_call) { stop_at_ = nth_call; }
  uint64_t calls() const { return calls_; }
  uint64_t batches_after_stop() const { return batches_after_stop_; }

  SaveOptions& options() { return options_; }
  Host& source() { return *source_; }
  BusyGuest& guest() { return *guest_; }
  const std::string& log() const { return log_; }

 private:
  void work() {
    const std::lock_guard lock(working_mutex_);
    if (working_ || guest_->suspended() || !random_.chance(30)) return;
    working_ = true;
    guest_->step();
    working_ = false;
  }

  uint64_t seed_;
  Random random_;
  GuestSpec spec_;
  SaveOptions options_;
  std::unique_ptr<Host> source_, target_;
  std::unique_ptr<BusyGuest> guest_;
  GuestView at_suspension_;
  uint64_t clock_ = 0;
  std::recursive_mutex working_mutex_;
  bool working_ = false;
  std::string log_;
  StopFlag stop_{false};
  uint64_t calls_ = 0, stop_at_ = 0, batches_after_stop_ = 0;
};

BusyGuest::Counts total;

void round_trip(uint64_t seed, Track track) {
  LiveRun run(seed, track);
  const Saved saved = run.save();
  ASSERT_TRUE(saved.done()) << saved.sentence << run.log();
  EXPECT_TRUE(saved.asked_to_suspend);
  run.expect_untracked();
  const Restored restored = run.restore(saved);
  ASSERT_TRUE(restored.done()) << restored.sentence << run.log();
  run.expect_same(restored);
  const auto& c = run.guest().counts();
  total.writes += c.writes;
  total.given_back += c.given_back;
  total.taken += c.taken;
  total.swaps += c.swaps;
  total.entries += c.entries;
  total.pins += c.pins;
  total.hidden += c.hidden;
}

void tell_total(const char* how) {
  fmt::print(
      "{}: while tracked, {} writes, {} pages given back, {} taken, {} frames swapped, {} entries "
      "changed, {} pins, {} pages hidden\n",
      how, total.writes, total.given_back, total.taken, total.swaps, total.entries, total.pins,
      total.hidden);
  total = {};
}

TEST(Live, a_guest_tracked_by_content_arrives_as_it_was_when_suspended) {
  for_seeds(40, [](uint64_t seed) { round_trip(seed, Track::content); });
  tell_total("content");
}

TEST(Live, a_guest_tracked_by_the_dirty_log_arrives_as_it_was_when_suspended) {
  for_seeds(40, [](uint64_t seed) { round_trip(seed, Track::logdirty); });
  tell_total("logdirty");
}

TEST(Live, a_guest_that_works_while_threads_copy_it_arrives_as_it_was_when_suspended) {
  auto executor = make_thread_executor(3);
  for (uint64_t seed = 1; seed <= 12 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    LiveRun run(seed, seed % 2 ? Track::content : Track::logdirty, 2000);
    const Saved saved = run.save(*executor);
    ASSERT_TRUE(saved.done()) << saved.sentence << run.log();
    run.expect_untracked();
    const Restored restored = run.restore(saved);
    ASSERT_TRUE(restored.done()) << restored.sentence << run.log();
    run.expect_same(restored);
  }
}

// Some call fails, or many: the save fails cleanly, or the guest arrives all the same.
TEST(Live, whatever_call_fails_the_guest_is_untracked_and_either_here_or_there) {
  uint64_t failed = 0, arrived = 0;
  for_seeds(60, [&](uint64_t seed) {
    LiveRun run(seed, seed % 2 ? Track::content : Track::logdirty);
    run.source().faults().fail_by_chance(static_cast<uint32_t>(100 + seed % 40 * 100), seed);
    const Saved saved = run.save();
    run.source().faults().clear();
    EXPECT_EQ(seam_usage().mapped_pages, 0u);
    EXPECT_EQ(seam_usage().handles, 0u);
    if (!saved.done()) {
      ++failed;
      return;
    }
    ++arrived;
    const Restored restored = run.restore(saved);
    ASSERT_TRUE(restored.done()) << restored.sentence;
    run.expect_same(restored);
  });
  EXPECT_TRUE(replays_one_seed() || (failed > 10 && arrived > 10)) << failed << " " << arrived;
  fmt::print("{} saves failed, {} guests arrived\n", failed, arrived);
}

TEST(Live, a_save_told_to_stop_at_any_call_stops_and_leaves_the_guest_alone) {
  LiveRun whole(1, Track::content);
  ASSERT_TRUE(whole.save().done());
  ASSERT_GT(whole.calls(), 40u);
  for (uint64_t nth = 1; nth < whole.calls(); nth += 1 + nth / 20) {
    LiveRun run(1, Track::content);
    run.stop_at(nth);
    const Saved saved = run.save();
    run.expect_untracked();
    if (saved.done()) {
      EXPECT_GT(nth + 40, whole.calls());  // too late: it was done but for the state
      continue;
    }
    EXPECT_EQ(saved.error, Errc::aborted) << saved.sentence;
    EXPECT_LE(run.batches_after_stop(), 1u) << "told to stop at call " << nth;
  }
}

TEST(Live, log_dirty_is_refused_in_one_sentence_where_the_host_has_none) {
  LiveRun run(3, Track::content);
  run.options().live->track = Track::logdirty;
  const Saved saved = run.save();
  EXPECT_EQ(saved.error, Errc::unsupported);
  EXPECT_NE(saved.sentence.find("cannot log"), std::string::npos) << saved.sentence;
  EXPECT_FALSE(saved.asked_to_suspend);
}

TEST(Live, automatic_tracking_takes_what_the_host_can_do) {
  for (const Track host : {Track::content, Track::logdirty}) {
    LiveRun run(4, host);
    run.options().live->track = Track::automatic;
    const Saved saved = run.save();
    ASSERT_TRUE(saved.done()) << saved.sentence;
    const Restored restored = run.restore(saved);
    ASSERT_TRUE(restored.done()) << restored.sentence;
    run.expect_same(restored);
  }
}

TEST(Live, a_log_that_somebody_left_on_is_taken_over) {
  LiveRun run(6, Track::logdirty);
  run.source().find_domain(run.guest().domid())->log_dirty.enabled = 1;
  const Saved saved = run.save();
  EXPECT_TRUE(saved.done()) << saved.sentence;
  run.expect_untracked();
}

TEST(Live, whoever_watches_is_told_of_each_phase_as_it_begins) {
  LiveRun run(9, Track::content);
  std::vector<std::string> phases;
  run.options().live->progress = [&](const LiveProgress& p) {
    if (phases.empty() || phases.back() != p.phase) phases.emplace_back(p.phase);
  };
  ASSERT_TRUE(run.save().done());
  ASSERT_GE(phases.size(), 4u) << joined(phases);
  const std::vector<std::string> first(phases.begin(), phases.begin() + 2);
  const std::vector<std::string> last(phases.end() - 3, phases.end());
  EXPECT_EQ(first, (std::vector<std::string>{"sending", "looking"})) << joined(phases);
  EXPECT_EQ(last, (std::vector<std::string>{"looking", "suspending", "last pass"}))
      << joined(phases);
}

TEST(Live, a_guest_that_writes_too_fast_is_left_running_if_that_was_asked) {
  LiveRun run(8, Track::content);
  run.options().live->policy.max_downtime_us = 1;
  run.options().live->policy.on_stall = OnStall::cancel;
  const Saved saved = run.save();
  EXPECT_EQ(saved.error, Errc::guest);
  EXPECT_NE(saved.sentence.find("left running"), std::string::npos) << saved.sentence;
  EXPECT_FALSE(saved.asked_to_suspend);
  run.expect_untracked();
}

}  // namespace
}  // namespace ferry::sim

// The hypercall buffer that libxenctrl itself loses is not our leak.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libxenctrl\n";
}
