// Progress for people: one live line on a terminal, a few plain lines otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ferry::host {

class ProgressLine {
 public:
  explicit ProgressLine(bool quiet = false);
  ~ProgressLine() { finish(); }

  void update(const std::string& what, uint64_t pages_done, uint64_t pages_total);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_;
  bool terminal_;
  bool started_ = false;
  bool shown_ = false;
  unsigned last_quarter_ = 0;
  Clock::time_point start_ = Clock::now();
};

}  // namespace ferry::host
