// What source and destination say to each other about who has the guest.
//
//   source                                        destination
//     |  ……… the guest's memory and state ………→       |
//     |                        ← received            | has all of it, paused     (journal: held)
//     | (journal: given_away)                        |
//     |  go →                                        | (journal: about_to_run)
//     |                                              | lets it run               (journal: runs)
//     |                        ← running             |
//     | destroys its copy      (journal: done)       |
//
// Every message can be repeated, and after a broken link everything is settled by status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry {

enum class HandoverMessage : uint8_t {
  // from the destination
  received = 1,      // the whole guest is here, paused
  running = 2,       // and runs now
  never_ran = 3,     // it never ran here and never will
  may_have_run = 4,  // it is not here: it was about to run, or it did run

  // from the source
  go = 5,      // the guest is yours
  status = 6,  // what has become of it?
  forget = 7,  // if it has not run yet, it shall not: it is wanted back
  kept = 8,    // it runs here again: yours is to go

  // from the destination, too
  cannot_run = 9,  // it is whole and paused here, and could not be let run: is it wanted back?
};

inline std::string_view name_of(HandoverMessage message) {
  constexpr std::string_view kNames[] = {"",   "received", "running", "never-ran", "may-have-run",
                                         "go", "status",   "forget",  "kept",      "cannot-run"};
  return kNames[static_cast<uint8_t>(message)];
}

// The message with that number, if there is one.
inline std::optional<HandoverMessage> handover_of(uint8_t number) {
  if (number < 1 || number > 9) return std::nullopt;
  return static_cast<HandoverMessage>(number);
}

// Whether the destination says it.
constexpr bool is_of_destination(HandoverMessage message) {
  return message < HandoverMessage::go || message == HandoverMessage::cannot_run;
}

// Sends a message; what is sent may get lost. Throws only what ends the program.
class HandoverOutbox {
 public:
  virtual ~HandoverOutbox() = default;
  virtual void send(HandoverMessage message) = 0;
  // Why the next one is sent, for people.
  virtual void because(const std::string& /*why*/) {}
};

// For a step that is taken without the other side.
class NobodyListens final : public HandoverOutbox {
 public:
  void send(HandoverMessage) override {}
};

// Keeps a state: durable when write() returns, or else it throws and nothing may depend on it.
template <typename State>
class HandoverJournal {
 public:
  virtual ~HandoverJournal() = default;
  virtual void write(State state) = 0;
};

}  // namespace ferry
