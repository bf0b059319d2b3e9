// Visits every world that can be reached.
#pragma once

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tests/handover/sides.h"

namespace ferry {

// How a world comes from another one, for people.
struct How {
  How(const char* what, HandoverMessage m = {}, Disturbance d = {})
      : event(what), message(m), disturbance(d) {}

  const char* event;
  HandoverMessage message;
  Disturbance disturbance;
  std::string text() const;
};

// Nothing fails any more: both start, meet, and say what they have to say. With what the operator
// is asked for, if anything, decided as it really was.
struct End {
  World world;
  bool asked_operator = false;
};
End settle(World w, const Remedies& remedies);

class Explorer {
 public:
  Explorer(const Troubles& troubles, const Remedies& remedies)
      : troubles_(troubles), remedies_(remedies) {}

  // The shortest way to something of what is wanted; empty if there is none.
  std::string find(Wrong wanted);
  size_t worlds() const { return visited_.size(); }
  size_t steps() const { return steps_; }

 private:
  struct Visited {
    World world;
    size_t parent;
    How how;
  };

  void leave(size_t from);
  void visit(World w, const How& how, size_t parent);
  void check(World& w) const;
  void meddling(const World& w, size_t from);
  void deliver(const World& w, size_t from);
  void third_host(const World& w, size_t from);
  void given_up_there(const World& w, size_t from);
  void starts_and_links(const World& w, size_t from);
  template <typename Event>
  void source_does(const World& w, How how, size_t from, Event event);
  template <typename Event>
  void destination_does(const World& w, How how, size_t from, Event event);
  template <typename Do>
  void disturbed(const World& w, How how, size_t from, Do run_it);
  std::string path_to(size_t i) const;

  const Troubles troubles_;
  const Remedies remedies_;
  std::vector<Visited> visited_;
  std::unordered_set<uint64_t> index_;
  Wrong wanted_ = anything;
  std::string found_;
  size_t steps_ = 0;
};

}  // namespace ferry
