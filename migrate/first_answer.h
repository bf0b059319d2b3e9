// What a source hears while it sends.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "error/error.h"
#include "migrate/link.h"

namespace ferry {

// What the other side says first after its welcome. While the image is sent that can only be bad
// news, and whoever sends wants to know at once.
class FirstAnswer {
 public:
  // progress: called for each frame that only says that the other side gets on.
  FirstAnswer(Link& link, std::function<void()> progress)
      : link_(link), progress_(std::move(progress)) {}
  ~FirstAnswer() {
    if (!thread_.joinable()) return;
    link_.hang_up();  // then the other side does too, and we are not kept
    thread_.join();
  }
  void wait(std::function<void()> arrived) {
    thread_ = std::thread([this, arrived = std::move(arrived)] {
      try {
        do {
          frame_ = link_.receive();
          if (frame_ && frame_->has_progress()) progress_();
        } while (frame_ && frame_->has_progress());
      } catch (const Error&) {
        frame_.reset();
      }
      arrived_ = true;
      arrived();
    });
  }
  // Waits for it; nothing if the link is gone.
  std::optional<v1::MigrateFrame> take() {
    thread_.join();
    return std::move(frame_);
  }
  bool waiting() const { return thread_.joinable(); }
  // It is here, or the link is gone.
  bool arrived() const { return arrived_; }

 private:
  Link& link_;
  std::function<void()> progress_;
  std::thread thread_;
  std::atomic<bool> arrived_ = false;
  std::optional<v1::MigrateFrame> frame_;
};

}  // namespace ferry
