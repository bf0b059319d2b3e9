// How the helper tells libxl, and so the operator, what happens.
#pragma once

#include <chrono>

#include "error/error.h"
#include "host/channel.h"
#include "pipeline/progress.h"

namespace ferry::helper {

// Passes progress on, a few times a second at most.
class ProgressReport {
 public:
  explicit ProgressReport(Channel& channel) : channel_(channel) {}
  void update(const Progress& progress);
  // True when it is time for news.
  bool due(bool last);

 private:
  Channel& channel_;
  std::chrono::steady_clock::time_point next_{};
};

// One line of log, and complete() with a failure. Throws LibxlGone.
void report_failure(Channel& channel, const Error& error);

}  // namespace ferry::helper
