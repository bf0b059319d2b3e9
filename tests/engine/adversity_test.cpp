// Random guests, random faults at any call, full disks, guests that will not suspend: whatever
// happens, a guest is moved byte by byte, or runs where it was, or the sentence names the command
// that brings it back.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/machine/random.h"
#include "tests/engine/promises.h"
#include "tests/engine/seeds.h"

namespace ferry::sim {
namespace {

struct Tally {
  uint64_t seeds = 0, live = 0, faults = 0, pages = 0;
  uint64_t saves[3] = {}, restores[3] = {};  // by Result
};

// What is to go wrong in one command. Everything is drawn from the seed.
class Trouble {
 public:
  explicit Trouble(Random& random) : random_(random) {}

  // Plans faults for the host's next command, whose engine makes that kind of call once it is well
  // under way; the size to which its image may grow.
  uint64_t plan(Host& host, uint64_t pages, CallKind engine_call) {
    FaultPlan& faults = host.faults();
    faults.clear();
    switch (random_.below(10)) {
      case 0:  // nothing
      case 1:
      case 2:
      case 6:
        break;
      case 7:  // now and then any call
      case 8:
        faults.fail_by_chance(static_cast<uint32_t>(1 + random_.below(8000)), random_.next());
        break;
      case 3:  // one call, wherever it is
        faults.fail_call(1 + random_.below(100 + pages / 8));
        break;
      case 4:  // the disk is full, and nothing else
        return random_.below(pages * 1000);
      case 5:  // the engine, and then much of the recovery
        fail_recovery(faults);
        faults.fail_nth(engine_call, 1 + random_.below(1 + pages / 400));
        break;
      default:
        fail_recovery(faults);
        faults.fail_nth(engine_call, 1);
        break;
    }
    return ~uint64_t{0};
  }

 private:
  void fail_recovery(FaultPlan& faults) {
    const auto chance = static_cast<uint32_t>(random_.below(600'000));
    for (const CallKind kind : {CallKind::domctl_life, CallKind::domctl_vcpu_set})
      faults.fail_by_chance(kind, chance, random_.next());
  }

  Random& random_;
};

// Threads give a thread sanitizer something to look at; everywhere else a seed decides every step.
bool on_threads([[maybe_unused]] uint64_t seed) {
#ifdef __SANITIZE_THREAD__
  return seed % 2;
#else
  return false;
#endif
}

std::unique_ptr<Executor> make_executor(uint64_t seed) {
  const auto width = static_cast<unsigned>(1 + seed % 5);
  return on_threads(seed) ? make_thread_executor(width) : make_seeded_executor(seed, width);
}

// Some hosts are fresh, most have been in use: then no two frames of a guest lie side by side.
std::unique_ptr<Host> make_host(uint64_t seed, uint64_t pages, Random& random) {
  HostConfig config{.seed = seed, .frames = pages + 2048};
  if (random.chance(40)) config.frame_order = FrameOrder::contiguous;
  config.shadow_paging = random.chance(50);
  return Host::create(config);
}

// What a replayed seed was about; silent when there are many.
template <typename... Args>
void tell(fmt::format_string<Args...> format, Args&&... args) {
  if (replays_one_seed()) fmt::print(format, std::forward<Args>(args)...);
}

// One guest's way through a save and a restore that troubles meet.
class Journey {
 public:
  Journey(uint64_t seed, Tally& tally) : seed_(seed), tally_(tally) {
    run_.request.domain = "web1";
    run_.request.file = place_.image();
    run_.request.afterwards = static_cast<Afterwards>(random_.below(3));
  }

  // Of a guest whose memory is anything that a guest's can be.
  void of_scratch_guest() {
    const GuestSpec spec = GuestSpec::random(seed_, 4096);
    make_hosts(spec.pages);
    ScratchSubject subject(*a_, spec);
    obeys_ = !random_.chance(3);
    if (!obeys_) subject.refuse_to_suspend();
    tell("scratch guest: {} pages, {} vCPUs of which {} are offline, {} processes{}\n", spec.pages,
         spec.vcpus, spec.offline_vcpus, spec.processes, obeys_ ? "" : ", does not suspend");
    travel(subject);
  }

  // Of a guest that works between the toolstack's calls until it is suspended, and afterwards.
  void of_running_guest() {
    const KernelSpec spec = KernelSpec::random(seed_, 4096);
    make_hosts(spec.pages + spec.growth + 256);
    const auto steps = static_cast<unsigned>(random_.below(60));
    KernelSubject subject(*a_, spec, steps);
    tell("guest: {} pages, {} more to grow, {} vCPUs, its p2m a {}, {} steps old\n", spec.pages,
         spec.growth, spec.vcpus, spec.form == p2m_form::tree ? "tree" : "list", steps);
    if (random_.chance(40)) save_live();
    interleave(subject);
    run_.engine_ended = [&] { subject.engine_ended(); };
    travel(subject);
  }

 private:
  void make_hosts(uint64_t pages) {
    pages_ = pages;
    a_ = make_host(seed_, pages, random_);
    b_ = make_host(~seed_, pages, random_);
  }

  void save_live() {
    LiveOptions& live = run_.engine.live.emplace();
    live.policy.max_rounds = static_cast<uint32_t>(1 + random_.below(4));
    // Virtual time: as long as the seed says from one look at the clock to the next.
    live.now_us = [this] { return clock_ += 1 + random_.below(200'000); };
    tell("saved live, in {} rounds at most\n", live.policy.max_rounds);
  }

  void interleave(KernelSubject& subject) {
    if (on_threads(seed_)) return;  // nobody decides then whose call comes first
    const auto chance = static_cast<unsigned>(random_.below(40));
    a_->set_before_call([&subject, chance, random = Random(seed_)](const Call&) mutable {
      if (random.chance(chance)) subject.step();
    });
  }

  void travel(Subject& subject) {
    const std::string config = config_of(*a_, subject.domid());
    const auto executor = make_executor(seed_);
    Trouble trouble(random_);
    save(subject, trouble, *executor);
    if (place_.has_image()) restore(subject, config, trouble, *executor);
    EXPECT_TRUE(place_.clear()) << "a lock, a note or half a file is left";
  }

  void save(Subject& subject, Trouble& trouble, Executor& executor) {
    run_.guests = subject.hooks();
    run_.image_limit = trouble.plan(*a_, pages_, CallKind::domctl_page_types);
    const bool full = run_.image_limit != ~uint64_t{0};
    if (full) tell("disk: full at {} bytes\n", run_.image_limit);
    const Ended saved = run_save(*a_, executor, run_);
    a_->set_before_call({});
    constexpr std::string_view kCommands[] = {"save", "save --keep", "save --pause"};
    const auto command = kCommands[static_cast<int>(run_.request.afterwards)];
    const uint64_t faults = end_faults(command, *a_, saved);
    // The one thing that a working guest can do to a live save: have more memory than it began
    // with.
    const bool grew = run_.engine.live && saved.sentence.find("has grown") != std::string::npos;
    EXPECT_TRUE(saved.done() || faults || !obeys_ || full || grew)
        << "failed without a reason: " << saved.sentence;
    ++tally_.seeds;
    tally_.live += run_.engine.live.has_value();
    tally_.pages += pages_;
    const Result result = expect_save_promise(subject, place_, run_.request.afterwards, saved);
    ++tally_.saves[static_cast<int>(result)];
  }

  void restore(Subject& subject, const std::string& config, Trouble& trouble, Executor& executor) {
    const Bytes image = place_.read_image();
    const uint64_t free_pages = b_->state().free_pages;
    trouble.plan(*b_, pages_, CallKind::mmu_update);
    const RestoreEnded restored = run_restore(*b_, config, image, executor, scratch_guests(*b_));
    const uint64_t faults = end_faults("restore", *b_, restored);
    EXPECT_TRUE(restored.done() || faults) << "failed without a reason: " << restored.sentence;
    ++tally_.restores[static_cast<int>(expect_restore_promise(subject, *b_, free_pages, restored))];
  }

  uint64_t end_faults(std::string_view command, Host& host, const Ended& ended) {
    const FaultPlan& faults = host.faults();
    tell("{}: exit code {} after {} calls, {} of which failed; {}\n", command, ended.exit_status(),
         faults.calls(), faults.failures(), ended.done() ? "done" : ended.sentence);
    const uint64_t failures = faults.failures();
    host.faults().clear();
    tally_.faults += failures;
    return failures;
  }

  const uint64_t seed_;
  Tally& tally_;
  Random random_{seed_ ^ 0xad7e};
  Workplace place_;
  uint64_t pages_ = 0, clock_ = 0;
  std::unique_ptr<Host> a_, b_;
  bool obeys_ = true;
  SaveRun run_;
};

void print_and_judge(const Tally& tally) {
  fmt::print(
      "{} seeds, {} pages a guest, {} faults; saves ({} live): {} done, {} failed cleanly, "
      "{} retried; restores: {} done, {} failed cleanly, {} retried\n",
      tally.seeds, tally.pages / std::max<uint64_t>(tally.seeds, 1), tally.faults, tally.live,
      tally.saves[0], tally.saves[1], tally.saves[2], tally.restores[0], tally.restores[1],
      tally.restores[2]);
  if (tally.seeds < (runs_new_seeds() ? 2000 : 100)) return;
  for (int result = 0; result < 3; ++result) {
    EXPECT_GT(tally.saves[result], 0u) << "an outcome that no seed has";
    EXPECT_GT(tally.restores[result], 0u) << "an outcome that no seed has";
  }
}

TEST(Adversity, a_running_guest_goes_on_there_or_here) {
  Tally tally;
  for_seeds(120, [&](uint64_t seed) { Journey(seed, tally).of_running_guest(); });
  print_and_judge(tally);
}

TEST(Adversity, a_guest_of_any_shape_is_moved_whole_or_runs_on) {
  Tally tally;
  for_seeds(120, [&](uint64_t seed) { Journey(seed, tally).of_scratch_guest(); });
  print_and_judge(tally);
}

}  // namespace
}  // namespace ferry::sim

// The hypercall buffer that libxenctrl itself loses (expect_nothing_left_open) is not our leak.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libxenctrl\n";
}
