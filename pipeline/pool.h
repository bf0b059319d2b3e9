// Objects that are costly to make, kept for whoever needs one next.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace ferry {

// On any thread. It has as many as were in use at once.
template <typename T>
class Pool {
 public:
  // One that nobody uses at the moment, or a new T(arguments…).
  template <typename... Arguments>
  std::unique_ptr<T> take(const Arguments&... arguments) {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<T>(arguments...);
    std::unique_ptr<T> one = std::move(idle_.back());
    idle_.pop_back();
    return one;
  }
  void give_back(std::unique_ptr<T> one) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(one));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace ferry
