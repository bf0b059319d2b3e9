// The decisions of an evacuation.
#include "evacuate/evacuation.h"

#include <algorithm>

#include <fmt/format.h>

#include "error/error.h"

namespace ferry::evacuate {
namespace {

constexpr double kMib = 1 << 20;

struct Host {
  std::string name;
  std::string out = {};  // why it is asked no more; empty: it is
  uint64_t promised_bytes = 0;
  unsigned arriving = 0;
};

struct Traveller {
  Outcome outcome;
  std::vector<bool> tried;  // by host
  std::unique_ptr<Move> move = nullptr;
  size_t to = 0;  // of the move
  bool done = false;

  bool waits() const { return !done && !move; }
};

// What can be done with a guest now.
struct Choice {
  std::optional<size_t> host;        // it can go there
  bool later = false;                // a host may have room for it once others have arrived
  std::vector<std::string> reasons;  // of the hosts that do not take it
};

class Evacuation {
 public:
  Evacuation(const std::vector<LocalGuest>& guests, const std::vector<std::string>& hosts,
             unsigned parallel, Surroundings& surroundings)
      : parallel_(parallel), surroundings_(surroundings) {
    for (const std::string& name : hosts) hosts_.push_back({name});
    for (const LocalGuest& guest : guests)
      travellers_.push_back({{guest, Fate::stays, {}, {}, {}}, std::vector<bool>(hosts.size())});
    for (Traveller& traveller : travellers_) order_.push_back(&traveller);
    std::stable_sort(order_.begin(), order_.end(), [](const Traveller* a, const Traveller* b) {
      return a->outcome.guest.bytes > b->outcome.guest.bytes;
    });
  }

  std::vector<Outcome> run() {
    for (;;) {
      collect();
      if (surroundings_.told_to_stop())
        stop();
      else
        start_what_can();
      if (under_way() == 0 && !somebody_waits()) break;
      surroundings_.rest();
    }
    std::vector<Outcome> outcomes;
    for (Traveller& traveller : travellers_) outcomes.push_back(std::move(traveller.outcome));
    return outcomes;
  }

 private:
  size_t under_way() const {
    return static_cast<size_t>(std::count_if(travellers_.begin(), travellers_.end(),
                                             [](const Traveller& t) { return t.move != nullptr; }));
  }
  bool somebody_waits() const {
    return std::any_of(travellers_.begin(), travellers_.end(),
                       [](const Traveller& t) { return t.waits(); });
  }

  void collect() {
    for (Traveller& traveller : travellers_) {
      if (!traveller.move) continue;
      const std::optional<MoveEnd> end = traveller.move->ended();
      if (end) arrive(traveller, *end);
    }
  }

  void arrive(Traveller& traveller, const MoveEnd& end) {
    Host& host = hosts_[traveller.to];
    Outcome& outcome = traveller.outcome;
    host.promised_bytes -= outcome.guest.bytes;
    --host.arriving;
    traveller.move.reset();
    look_again_ = true;
    outcome.fate = end.fate;
    if (end.fate == Fate::moved || end.fate == Fate::needs_operator) outcome.host = traveller.to;
    outcome.away_seconds = end.away_seconds;
    if (end.fate != Fate::moved) outcome.reasons.push_back(end.sentence);
    traveller.done = end.fate != Fate::stays;
    surroundings_.tell(
        end.fate == Fate::moved
            ? fmt::format("{} runs on {}{}", outcome.guest.name, host.name,
                          end.away_seconds
                              ? fmt::format(", {:.2f} s after its suspension", *end.away_seconds)
                              : "")
            : fmt::format("{} was not moved to {}: {}", outcome.guest.name, host.name,
                          end.sentence));
  }

  void stop() {
    for (Traveller& traveller : travellers_) {
      if (traveller.move && !cancelled_) traveller.move->cancel();
      if (!traveller.waits()) continue;
      traveller.outcome.reasons.emplace_back("the evacuation was told to stop");
      traveller.done = true;
    }
    cancelled_ = true;
  }

  // Whoever waits is looked at again only when a move has ended: hosts are asked anew each time.
  void start_what_can() {
    if (!look_again_ || under_way() >= parallel_) return;
    look_again_ = false;
    for (Traveller* traveller : order_) {
      if (!traveller->waits()) continue;
      if (surroundings_.told_to_stop()) return;
      if (under_way() >= parallel_) {
        look_again_ = true;
        return;
      }
      decide(*traveller);
    }
  }

  void decide(Traveller& traveller) {
    Outcome& outcome = traveller.outcome;
    if (!surroundings_.still_here(outcome.guest)) {
      outcome.fate = Fate::gone;
      traveller.done = true;
      return;
    }
    const Choice choice = choose(traveller);
    if (choice.host) return start(traveller, *choice.host);
    if (choice.later || surroundings_.told_to_stop()) return;
    outcome.reasons.insert(outcome.reasons.end(), choice.reasons.begin(), choice.reasons.end());
    traveller.done = true;
    surroundings_.tell(
        fmt::format("{} stays here: {}", outcome.guest.name, fmt::join(outcome.reasons, "; ")));
  }

  Choice choose(const Traveller& traveller) {
    Choice choice;
    std::optional<uint64_t> most_room;
    for (size_t i = 0; i < hosts_.size(); ++i) {
      if (traveller.tried[i]) continue;
      const std::optional<Answer> answer = ask(traveller.outcome.guest, i);
      if (!answer) {
        choice.reasons.push_back(hosts_[i].out);
        continue;
      }
      const Host& host = hosts_[i];
      const std::string against = why_not(traveller.outcome.guest, host, *answer);
      if (!against.empty()) {
        choice.later = choice.later || host.arriving > 0;
        choice.reasons.push_back(fmt::format("{}: {}", host.name, against));
        continue;
      }
      const uint64_t room = answer->free_bytes ? *answer->free_bytes - host.promised_bytes : 0;
      if (choice.host && room <= most_room) continue;
      choice.host = i;
      most_room = room;
    }
    return choice;
  }

  // Nothing from a host that cannot be asked.
  std::optional<Answer> ask(const LocalGuest& guest, size_t i) {
    Host& host = hosts_[i];
    if (!host.out.empty()) return std::nullopt;
    try {
      return surroundings_.ask(guest, i);
    } catch (const Error& e) {
      if (surroundings_.told_to_stop()) return Answer{{"the evacuation was told to stop"}, {}};
      host.out = e.what();
      surroundings_.tell(fmt::format("no guest goes to {}: {}", host.name, host.out));
      return std::nullopt;
    }
  }

  static std::string why_not(const LocalGuest& guest, const Host& host, const Answer& answer) {
    if (!answer.blockers.empty()) return fmt::format("{}", fmt::join(answer.blockers, "; "));
    if (!answer.free_bytes || *answer.free_bytes >= host.promised_bytes + guest.bytes) return "";
    const uint64_t left = *answer.free_bytes - std::min(*answer.free_bytes, host.promised_bytes);
    return fmt::format("it has {:.0f} MiB of free memory for it, the guest needs {:.0f} MiB",
                       static_cast<double>(left) / kMib, static_cast<double>(guest.bytes) / kMib);
  }

  void start(Traveller& traveller, size_t i) {
    Host& host = hosts_[i];
    traveller.tried[i] = true;
    traveller.to = i;
    try {
      traveller.move = surroundings_.start(traveller.outcome.guest, i);
    } catch (const Error& e) {
      traveller.outcome.reasons.emplace_back(e.what());
      look_again_ = true;
      return;
    }
    ++host.arriving;
    host.promised_bytes += traveller.outcome.guest.bytes;
  }

  unsigned parallel_;
  Surroundings& surroundings_;
  std::vector<Host> hosts_;
  std::vector<Traveller> travellers_;
  std::vector<Traveller*> order_;  // as they go
  bool look_again_ = true;
  bool cancelled_ = false;
};

}  // namespace

std::vector<Outcome> evacuate(const std::vector<LocalGuest>& guests,
                              const std::vector<std::string>& hosts, unsigned parallel,
                              Surroundings& surroundings) {
  return Evacuation(guests, hosts, parallel, surroundings).run();
}

}  // namespace ferry::evacuate
