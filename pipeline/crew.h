// Threads that share one piece of work after the other with whoever has it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace ferry {

class Crew {
 public:
  // So many with the caller's own; 1: it has no other.
  explicit Crew(unsigned threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  static constexpr size_t kRange = 32;  // less is done before another thread is awake

  // Calls part(first, end) for ranges of at most `range` that together are [0, count), each once,
  // on all threads at the same time, and returns when all of them have. If some throw, what the
  // first of these ranges threw is thrown from here: the same whatever the number of threads, if
  // part() goes through its range in order. Ranges behind it may have been left out.
  void share(size_t count, const std::function<void(size_t first, size_t end)>& part,
             size_t range = kRange);

 private:
  class Threads;
  std::unique_ptr<Threads> threads_;  // none: the caller does it alone
};

}  // namespace ferry
