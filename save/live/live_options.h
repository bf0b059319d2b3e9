// How a live save is to be done.
#pragma once

#include <functional>
#include <string_view>

#include "save/live/control.h"
#include "save/live/policy.h"
#include "save/live/tracking.h"

namespace ferry {

struct LiveOptions {
  Track track = Track::automatic;
  PolicyOptions policy;
  const LiveControl* control = nullptr;
  std::function<void(const LiveProgress&)> progress;  // from one thread at a time
  std::function<void(std::string_view)> log;          // the policy's decisions, a line each
  std::function<void(const RoundFigures&, const Decision&)> decided;  // the same as figures
  std::function<uint64_t()> now_us;  // a clock; the steady one if there is none
};

// What a live save did, figures as predicted when it decided to suspend beside what happened.
struct LiveReport {
  std::string track;
  std::vector<uint64_t> round_us;     // when each round ended, after the start
  std::vector<uint64_t> round_pages;  // pages sent in each, the last pass included
  Prediction predicted;
  uint64_t last_scan_us = 0;  // of the last pass, in the downtime
  uint64_t last_send_us = 0;
  bool stalled = false;
};

}  // namespace ferry
