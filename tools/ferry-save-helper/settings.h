// What can be set from outside: libxl passes nothing on, so it comes from the environment.
#pragma once

#include <optional>

#include "ferry/v1/image.pb.h"
#include "save/live/live_options.h"

namespace ferry::helper {

struct Settings {
  unsigned threads = 1;              // FERRY_THREADS; half of the CPUs
  int level = 2;                     // FERRY_LEVEL: of zstd, 0 to 19; 0 does not compress
  std::optional<v1::Config> config;  // FERRY_CONFIG_FD: a serialised ferry.v1.Config

  bool libxc_stream = false;  // FERRY_STREAM: libxc instead of ferry; libxc v3 is written

  // Of a live save.
  Track track = Track::automatic;  // FERRY_TRACK: auto, logdirty, content
  PolicyOptions policy;            // FERRY_MAX_DOWNTIME (ms), FERRY_MAX_ROUNDS, FERRY_DEADLINE (s),
                                   // FERRY_ON_STALL: stop, continue, cancel
  uint64_t bandwidth = 0;          // FERRY_BANDWIDTH: MiB of image a second, 0: no limit
  std::string control;             // FERRY_CONTROL: path of a socket to be made, or empty
  std::optional<int> events;       // FERRY_EVENTS_FD: gets a line of JSON now and then
};

// Throws Error(usage), naming the variable.
Settings read_settings();

// The disk and network backends of all guests share dom0's CPUs with us.
void lower_priority();
// For what is done while a guest stands still.
void restore_priority();

}  // namespace ferry::helper
