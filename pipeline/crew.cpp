// Threads that share one piece of work after the other with whoever has it.
#include "pipeline/crew.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ferry {
namespace {

// What is shared. Ranges are taken in order, so all before one that failed are done, too.
struct Piece {
  size_t count;
  const std::function<void(size_t, size_t)>& part;
  const size_t range;
  std::atomic<size_t> next{0};
  std::mutex mutex{};
  size_t failed_at = SIZE_MAX;
  std::exception_ptr failure{};

  void work() {
    for (;;) {
      const size_t first = next.fetch_add(range);
      if (first >= count) return;
      try {
        part(first, std::min(count, first + range));
      } catch (...) {
        next = count;
        const std::lock_guard lock(mutex);
        if (first >= failed_at) continue;
        failed_at = first;
        failure = std::current_exception();
      }
    }
  }
};

}  // namespace

class Crew::Threads {
 public:
  explicit Threads(unsigned others) {
    try {
      for (unsigned i = 0; i < others; ++i) threads_.emplace_back([this] { serve(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~Threads() { stop(); }

  void help(Piece& piece) {
    {
      const std::lock_guard lock(mutex_);
      piece_ = &piece;
      ++turn_;
    }
    to_work_.notify_all();
    piece.work();
    std::unique_lock lock(mutex_);
    piece_ = nullptr;  // who has not begun by now is not needed
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (uint64_t seen = 0;;) {
      to_work_.wait(lock, [&] { return stopped_ || (piece_ != nullptr && turn_ != seen); });
      if (stopped_) return;
      seen = turn_;
      Piece& piece = *piece_;
      ++busy_;
      lock.unlock();
      piece.work();
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    to_work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  std::mutex mutex_;
  std::condition_variable to_work_, done_;
  Piece* piece_ = nullptr;
  uint64_t turn_ = 0;
  unsigned busy_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

Crew::Crew(unsigned threads)
    : threads_(threads > 1 ? std::make_unique<Threads>(threads - 1) : nullptr) {
}

Crew::~Crew() = default;

void Crew::share(size_t count, const std::function<void(size_t, size_t)>& part, size_t range) {
  Piece piece{.count = count, .part = part, .range = range};
  if (threads_ != nullptr && count > range)
    threads_->help(piece);
  else
    piece.work();
  if (piece.failure) std::rethrow_exception(piece.failure);
}

}  // namespace ferry
