// Two hosts, a guest that moves between them, and everybody who can meddle: what outlives a
// program.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "handover/destination_handover.h"
#include "handover/source_handover.h"

namespace ferry {

enum class Copy : uint8_t { none, suspended, running };  // suspended: or paused, at the destination

// Another domain that can be taken for a copy of the guest.
enum class Double : uint8_t { none, same_name, same_uuid };

// One of an older image, or of its configuration, that somebody has let run: where it is.
enum class Older : uint8_t { none, here, there, elsewhere };

// By what a program knows its copy.
enum class Identity : uint8_t { domain, uuid, name };

// What can go wrong besides messages, links and programs that die.
struct Troubles {
  unsigned most = 1;         // of those below in one history
  bool failures = false;     // a journal that cannot be written, a step that Xen refuses
  bool by_hand = false;      // somebody resumes, destroys, pauses or renames a copy with xl
  bool after_go = false;     // and even resumes the source's once a go is out
  bool other_ferry = false;  // ferry resume, and a save of the same guest
  bool doubles = false;      // domains that look like a copy
  bool vanishing = false;    // the destination's copy, also with all of its host
  bool third_host = false;   // says what it likes to both ends
  bool backups = false;      // the destination's journal comes back from one, and is an old one
  bool reboots = false;      // a host goes down with all its domains; its journals stay
  bool restores = false;     // an older image is restored on either host, and moves on from there
};

// What is done about it. Whichever is taken out has to be missed.
struct Remedies {
  bool lock = true;             // one process is responsible, from before the suspend
  bool open_job = true;         // ferry resume refuses a guest with an open job
  bool look = true;             // is it still suspended? right before go and destroy
  bool look_for_gone = true;    // nobody is told to drop what may be the last copy
  bool look_unpaused = true;    // a copy that runs is not thrown away
  bool look_ran = true;         // nor one that has run and was paused again
  bool keeps_whole = true;      // nor one that is whole, before the source says that it has one
  bool journal_checked = true;  // a write that fails is noticed
  bool run_checked = true;      // and so is a copy that is not there
  bool binding = true;          // a job is bound to the names of its two ends
  bool run_noted = true;        // a go is noted apart from the journal, too
  bool time_out = true;         // the source does not wait for ever
  bool restore_asks = true;     // ferry restore refuses the guest of an open job, unless forced to
  bool claims = true;           // and whatever is that guest is neither saved nor moved on
  bool same_guest = true;       // a domain that is the guest, too, is seen
  Identity identity = Identity::domain;
};

// What must never be, each a bit.
enum Wrong : uint32_t {
  runs_twice = 1 << 0,
  is_lost = 1 << 1,
  last_copy_dropped = 1 << 2,
  running_guest_destroyed = 1 << 3,
  run_copy_discarded = 1 << 4,
  other_domain_touched = 1 << 5,
  left_suspended = 1 << 6,
  waits_for_ever = 1 << 7,
  asked_needlessly = 1 << 8,
  not_settled = 1 << 9,
  settled_wrong = 1 << 10,
  anything = (1 << 11) - 1,
};

inline std::string_view name_of(Wrong wrong) {
  constexpr std::string_view kNames[] = {"the guest has run on both hosts",
                                         "the guest is lost",
                                         "the destination is told to drop the last copy",
                                         "a guest that runs is destroyed at the source",
                                         "a copy that has run is thrown away",
                                         "another domain is touched",
                                         "a failure before go leaves the guest suspended",
                                         "the source waits for ever",
                                         "an operator is asked though all is known",
                                         "it does not settle",
                                         "it settles, and not exactly one copy runs"};
  size_t bit = 0;
  while (!(wrong >> bit & 1)) ++bit;
  return kNames[bit];
}

class Messages {
 public:
  static constexpr size_t kMost = 2;
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  HandoverMessage front() const { return all_[0]; }
  void push(HandoverMessage m) {
    if (size_ < kMost) all_[size_++] = m;
  }
  void pop() {
    all_[0] = all_[1];
    all_[--size_] = {};
  }
  void clear() { *this = {}; }
  bool has(HandoverMessage m) const { return all_[0] == m || all_[1] == m; }
  HandoverMessage operator[](size_t i) const { return all_[i]; }
  uint64_t key() const {
    return static_cast<uint64_t>(all_[0]) | static_cast<uint64_t>(all_[1]) << 4;
  }

 private:
  std::array<HandoverMessage, kMost> all_{};
  size_t size_ = 0;
};

struct World {
  // In the journals, and what a program that runs takes for true: different once a write failed.
  SourceState source = SourceState::sending, source_says = SourceState::sending;
  DestinationState destination = DestinationState::receiving,
                   destination_says = DestinationState::receiving;
  Copy at_source = Copy::suspended, at_destination = Copy::none;
  bool source_up = true, destination_up = true, linked = true;
  Messages to_destination, to_source;

  bool source_ran = false, destination_ran = false;  // since the guest was suspended to be sent
  bool go_out = false;                               // once said, it may arrive at any time
  bool drop_out = false;                             // a forget or kept likewise
  bool unpaused_by_hand = false;
  bool fork_by_hand = false;  // somebody let a copy run where nobody promises anything
  bool lost_by_hand = false;  // somebody destroyed the last copy
  bool paused_by_hand = false;
  bool let_run_noted = false;  // at the destination, apart from its journal
  bool other_save = false;     // a save is under way that takes the guest for its own
  bool source_renamed = false, destination_renamed = false;
  Older older = Older::none;
  Double source_double = Double::none, destination_double = Double::none;
  uint8_t troubles = 0;  // left
  uint32_t wrong = 0;

  uint64_t key() const {
    uint64_t k = 0;
    const auto add = [&](uint64_t value, unsigned bits) { k = k << bits | value; };
    add(static_cast<uint64_t>(source), 3), add(static_cast<uint64_t>(source_says), 3);
    add(static_cast<uint64_t>(destination), 3), add(static_cast<uint64_t>(destination_says), 3);
    add(static_cast<uint64_t>(at_source), 2), add(static_cast<uint64_t>(at_destination), 2);
    for (const bool b : {source_up, destination_up, linked, source_ran, destination_ran, go_out,
                         drop_out, unpaused_by_hand, fork_by_hand, lost_by_hand, paused_by_hand,
                         let_run_noted, other_save, source_renamed, destination_renamed})
      add(b, 1);
    add(static_cast<uint64_t>(source_double), 2), add(static_cast<uint64_t>(destination_double), 2);
    add(static_cast<uint64_t>(older), 2), add(troubles, 2), add(to_destination.key(), 8),
        add(to_source.key(), 8);
    return k;
  }

  std::string text() const {
    const auto copy = [](Copy c) {
      return c == Copy::none ? "none" : c == Copy::running ? "running" : "suspended";
    };
    const auto messages = [](const Messages& all) {
      std::string line;
      for (size_t i = 0; i < all.size(); ++i) line += fmt::format(" {}", name_of(all[i]));
      return line;
    };
    constexpr std::string_view kOlder[] = {"", ", an older one here", ", an older one there",
                                           ", an older one elsewhere"};
    return fmt::format(
        "source {}{}/{} {}{}, destination {}{}/{} {}{}{}{}, to destination:{}, to source:{}",
        source_up ? "" : "(down) ", int(source), int(source_says), copy(at_source),
        source_ran ? " (ran)" : "", destination_up ? "" : "(down) ", int(destination),
        int(destination_says), copy(at_destination), destination_ran ? " (ran)" : "",
        linked ? "" : ", no link", kOlder[static_cast<size_t>(older)], messages(to_destination),
        messages(to_source));
  }
};

}  // namespace ferry
