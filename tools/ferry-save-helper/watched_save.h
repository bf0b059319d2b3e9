// A save as others see it while it runs, and steer it: settings from outside, news to libxl, socket
// and events.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "host/control_socket.h"
#include "host/report.h"
#include "host/stop_watch.h"
#include "save/live/live_options.h"
#include "settings/settings.h"

namespace ferry::helper {

// Must outlive the save that uses what it hands out.
class WatchedSave {
 public:
  // live: the guest runs meanwhile, and how it is saved can be changed. Throws Error(io) when a
  // control socket that was asked for cannot be made.
  WatchedSave(domid_t domid, bool live, const Settings& settings, Channel& channel,
              StopWatch& stop);

  LiveOptions live_options();
  // Of a guest that stands still; a live save tells by its options.
  void tell(const Progress& progress);

 private:
  void open_control(domid_t domid, bool live, StopWatch& stop);
  void tell_live(const LiveProgress& progress);

  const Settings& settings_;
  Channel& channel_;
  ProgressReport report_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  LiveControl control_;
  std::unique_ptr<ControlSocket> socket_;
};

// One line: rounds, how long the guest stood still, and how long it was expected to.
std::string describe(const LiveReport& report, uint64_t suspended_us);

}  // namespace ferry::helper
