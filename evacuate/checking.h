// An evacuation that moves nothing: every guest is asked for at every host, and room that one would
// take is not there for the next.
#pragma once

#include "evacuate/evacuation.h"

namespace ferry::evacuate {

class Checking final : public Surroundings {
 public:
  Checking(Surroundings& real, size_t hosts) : real_(real), taken_(hosts) {}

  bool still_here(LocalGuest& guest) override { return real_.still_here(guest); }
  Answer ask(const LocalGuest& guest, size_t host) override;
  // It would have arrived at once.
  std::unique_ptr<Move> start(const LocalGuest& guest, size_t host) override;
  bool told_to_stop() override { return real_.told_to_stop(); }
  void rest() override {}
  void tell(const std::string&) override {}

 private:
  Surroundings& real_;
  std::vector<uint64_t> taken_;  // bytes, by host
};

}  // namespace ferry::evacuate
