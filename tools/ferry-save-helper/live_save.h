// A live save as the helper does it: settings from outside, news to libxl, socket and events.
#pragma once

#include <memory>
#include <string>

#include "host/control_socket.h"
#include "host/report.h"
#include "host/stop_watch.h"
#include "save/live/live_options.h"
#include "settings/settings.h"

namespace ferry::helper {

// Must outlive the save that uses its options.
class LiveSave {
 public:
  // Throws Error(io) when a control socket that was asked for cannot be made.
  LiveSave(domid_t domid, const Settings& settings, Channel& channel, StopWatch& stop);

  LiveOptions options();

 private:
  void open_control(domid_t domid, StopWatch& stop);
  void tell(const LiveProgress& progress);

  const Settings& settings_;
  Channel& channel_;
  ProgressReport report_;
  LiveControl control_;
  std::unique_ptr<ControlSocket> socket_;
};

// One line: rounds, how long the guest stood still, and how long it was expected to.
std::string describe(const LiveReport& report, uint64_t suspended_us);

}  // namespace ferry::helper
