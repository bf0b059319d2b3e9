// How long a guest may stand still for the other host's sake.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace ferry {

struct HandoverLimits {
  // While we wait for the other side to take bytes or to say something: so long without either.
  std::chrono::milliseconds without_progress{30'000};
  // From the guest's suspension until it is given away; 0: no limit.
  std::chrono::milliseconds whole{0};
};

// Calls give_up, once, from a thread of its own, when a limit is over. It counts only while it is
// armed, and only the time in which the other side had something to do: what this host needs for
// itself is not the other one's fault.
class Patience {
 public:
  Patience(HandoverLimits limits, std::function<void()> give_up);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  void arm();          // the guest stands still from now on
  void given_away();   // it cannot be taken back any more: only silence counts
  void disarm();       // it runs, or is gone
  void progress();     // the other side has taken or said something
  bool ended() const;  // whether it has given up
  std::string reason() const;

  // While it lives, the other side has to do something.
  class Waiting {
   public:
    explicit Waiting(Patience& patience) : patience_(patience) { patience_.begin_wait(); }
    ~Waiting() { patience_.end_wait(); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Patience& patience_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  void begin_wait();
  void end_wait();
  void watch();
  bool is_over(Clock::time_point now);

  const HandoverLimits limits_;
  const std::function<void()> give_up_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool armed_ = false, bounded_ = false, closing_ = false;
  unsigned waiting_ = 0;
  Clock::time_point armed_at_, moved_at_;
  std::string reason_;
  std::thread thread_;
};

}  // namespace ferry
