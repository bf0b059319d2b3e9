// What the two programs do in a world, step by step, and what can come between two steps.
#pragma once

#include <stdexcept>

#include "tests/handover/world.h"

namespace ferry {

struct Crash {};  // no std::exception: nobody catches it

// Somebody else who does something at once.
enum class Meddler : uint8_t {
  resumes,          // xl, at the source, the suspended copy
  destroys,         // xl, at the source
  renames,          // xl, at the source
  unpauses,         // xl, at the destination
  vanishes,         // the destination's copy
  pauses,           // xl, at the destination
  renames_there,    // xl, at the destination
  same_name,        // a guest of that name appears, at the source
  same_uuid,        // a guest with that uuid appears, at the source
  same_name_there,  // at the destination
  same_uuid_there,
  held_again,  // the destination's journal, from a backup
  receiving_again,
  reboots,         // the source's host
  restores,        // ferry restore of an older image, at the source
  restores_there,  // and at the destination
  forces,          // the same with --force, or xl create
  forces_there,
  moves_on,      // ferry migrate, evacuate or save of what came to run so
  ferry_resume,  // ferry's own command
  save_fails,    // the other save, which resumes what it takes for its own
  save_ends,     // and which destroys it
  none,
};
constexpr size_t kMeddlers = static_cast<size_t>(Meddler::none);

inline std::string_view name_of(Meddler who) {
  constexpr std::string_view kNames[] = {"xl resumes the source's copy",
                                         "xl destroys the source's copy",
                                         "xl renames the source's copy",
                                         "xl unpauses the destination's copy",
                                         "the destination's copy vanishes",
                                         "xl pauses the destination's copy",
                                         "xl renames the destination's copy",
                                         "a guest of that name appears at the source",
                                         "a guest with that uuid appears at the source",
                                         "a guest of that name appears at the destination",
                                         "a guest with that uuid appears at the destination",
                                         "the destination's journal says held again",
                                         "the destination's journal says receiving again",
                                         "the source's host reboots",
                                         "ferry restore of an older image at the source",
                                         "ferry restore of an older image at the destination",
                                         "an older image is forced to run at the source",
                                         "an older image is forced to run at the destination",
                                         "ferry moves the older one on",
                                         "ferry resume",
                                         "another save fails",
                                         "another save ends",
                                         "nobody"};
  return kNames[static_cast<size_t>(who)];
}

// Whether it can and may do so now; then it has. `checked`: between a side's last look and the
// message or step that depends on it, where nothing is promised about hands.
bool meddle(World& w, Meddler who, const Troubles& troubles, const Remedies& remedies,
            bool checked);

// How an event is disturbed, at its step number `at`.
enum class Twist : uint8_t {
  none,
  crash,       // the program dies before the step
  fails,       // the step is refused
  fails_late,  // it reports a failure and has happened all the same
  full_disk,   // no journal can be written from here on
  meddled,     // somebody else acts before the step
};
struct Disturbance {
  Twist twist = Twist::none;
  unsigned at = 0;
  Meddler who = Meddler::none;
};

enum class Step : uint8_t { ask, act, write, say };

// Counts the steps of one event and disturbs one of them.
class Steps {
 public:
  Steps(World& w, Disturbance d, const Troubles& t, const Remedies& r)
      : world(w), remedies(r), disturbance_(d), troubles_(t) {}

  // Each step is between these two. `checked`: what it depends on was asked right before.
  void before(Step step, bool checked = false) {
    const bool here = count_++ == disturbance_.at;
    const bool later = count_ > disturbance_.at;
    if (disturbance_.twist == Twist::crash && here) disturbed = true, throw Crash();
    if (disturbance_.twist == Twist::fails && here && step != Step::say) refuse();
    if (disturbance_.twist == Twist::full_disk && step == Step::write && later) refuse();
    if (disturbance_.twist == Twist::meddled && here)
      disturbed = meddle(world, disturbance_.who, troubles_, remedies, checked);
  }
  void after() {
    if (disturbance_.twist == Twist::fails_late && count_ - 1 == disturbance_.at) refuse();
  }
  unsigned count() const { return count_; }

  World& world;
  const Remedies& remedies;
  bool disturbed = false;
  bool resuming = false;  // Xen may refuse that, or give no answer: the guest then stays suspended

 private:
  [[noreturn]] void refuse() {
    disturbed = true;
    throw std::runtime_error("refused");
  }

  Disturbance disturbance_;
  const Troubles& troubles_;
  unsigned count_ = 0;
};

// A write that fails, for one who does not notice: the state is not kept.
template <typename State>
void write_state(Steps& steps, State state, State World::*journal) {
  try {
    steps.before(Step::write);
    steps.world.*journal = state;
    steps.after();
  } catch (const std::exception&) {
    if (steps.remedies.journal_checked) throw;
  }
}

enum class Found : uint8_t { nothing, ours, other };

inline Found find_copy(Copy ours, bool renamed, Double other, Identity identity) {
  if (identity == Identity::name && other == Double::same_name) return Found::other;
  if (identity == Identity::uuid && other == Double::same_uuid) return Found::other;
  if (ours == Copy::none || (identity == Identity::name && renamed)) return Found::nothing;
  return Found::ours;
}

struct SourceSide final : HandoverJournal<SourceState>, SourceGuest, HandoverOutbox {
  explicit SourceSide(Steps& s) : steps(s), w(s.world) {}
  void write(SourceState state) override { write_state(steps, state, &World::source); }
  bool present() override { return find() != Found::nothing; }
  SourceCopy look() override;
  void set_aside() override;
  void resume() override;
  void destroy() override;
  void send(HandoverMessage message) override;

  Found find() const {
    return find_copy(w.at_source, w.source_renamed, w.source_double, steps.remedies.identity);
  }
  Steps& steps;
  World& w;
};

struct DestinationSide final : HandoverJournal<DestinationState>, DestinationGuest, HandoverOutbox {
  explicit DestinationSide(Steps& s) : steps(s), w(s.world) {}
  void write(DestinationState state) override { write_state(steps, state, &World::destination); }
  bool present() override;
  bool has_run() override;
  bool was_let_run() override;
  void check_alone() override;
  std::string same_guest() override;
  bool run() override;
  void discard() override;
  void send(HandoverMessage message) override;

  Found find() const {
    return find_copy(w.at_destination, w.destination_renamed, w.destination_double,
                     steps.remedies.identity);
  }
  bool note_let_run();
  bool cannot_get_its_name() const;
  Steps& steps;
  World& w;
};

}  // namespace ferry
