// Who goes where, and when: the decisions of an evacuation, over any hosts and any moves.
//
// - The largest guests go first, each to the host that has the most memory left for it; where no
//   host tells how much it has, to the first one that takes it.
// - A host that says no while guests of ours are on the way to it is asked again when they are
//   there. Its memory is counted without what is promised to those.
// - A move that fails leaves the guest here; it is tried once with every other host. One that needs
//   the operator is left to him.
// - A host that cannot be asked is left out from then on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evacuate/guests_here.h"

namespace ferry::evacuate {

// A host's word on a guest.
struct Answer {
  std::vector<std::string> blockers;   // why it cannot be taken there
  std::optional<uint64_t> free_bytes;  // that the host has; older receivers do not say
};

enum class Fate {
  moved,           // it runs there
  stays,           // it runs here
  needs_operator,  // the sentence says what to do
  gone,            // it was not here any more when its turn came
};

struct MoveEnd {
  Fate fate = Fate::stays;
  std::string sentence = {};           // why it was not moved
  std::optional<double> away_seconds;  // of moved: from its suspension until it ran there
};

// A guest on its way.
class Move {
 public:
  virtual ~Move() = default;
  // Nothing as long as it is under way.
  virtual std::optional<MoveEnd> ended() = 0;
  // Takes the guest back if that can still be done; the end follows all the same.
  virtual void cancel() = 0;
};

// What the decisions are about.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  // False if the guest is not here any more. Its number is brought up to date: it may have
  // rebooted.
  virtual bool still_here(LocalGuest& guest) = 0;
  // Asks that host. Throws Error if it cannot be asked.
  virtual Answer ask(const LocalGuest& guest, size_t host) = 0;
  // Throws Error.
  virtual std::unique_ptr<Move> start(const LocalGuest& guest, size_t host) = 0;
  // Whether no move is to be started any more, and those under way are to be cancelled.
  virtual bool told_to_stop() = 0;
  // For a moment nothing can be done.
  virtual void rest() = 0;
  // What has just happened, a sentence.
  virtual void tell(const std::string& sentence) = 0;
};

struct Outcome {
  LocalGuest guest;
  Fate fate = Fate::stays;
  std::optional<size_t> host;          // where it is, or may be
  std::optional<double> away_seconds;  // of moved
  std::vector<std::string> reasons;    // of the others
};

// What became of the guests that can go, in their order. hosts: their names, for people. Throws
// nothing of what surroundings throw.
std::vector<Outcome> evacuate(const std::vector<LocalGuest>& guests,
                              const std::vector<std::string>& hosts, unsigned parallel,
                              Surroundings& surroundings);

}  // namespace ferry::evacuate
