// The Executor of production: worker threads and one consumer thread.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "pipeline/pipeline.h"

namespace ferry {
namespace {

constexpr auto kIdleEvery = std::chrono::milliseconds(200);

// One run. Jobs wait in order in `line_`; workers take the first that nobody has taken, the
// consumer takes the front once it is done. Each stage is woken for itself, and not while the lock
// is held: a thread that only wakes to wait again costs as much as hashing a batch of pages.
class ThreadRun {
 public:
  explicit ThreadRun(unsigned threads) : limit_(2 * static_cast<size_t>(threads)) {
    try {
      threads_.emplace_back([this] { consumer(); });
      for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { worker(); });
    } catch (...) {
      stop(std::current_exception());
      join();
      throw;
    }
  }

  void run(const std::function<std::unique_ptr<Job>()>& produce,
           const std::function<void()>& idle) {
    try {
      while (wait_for_room(idle)) {
        std::unique_ptr<Job> job = produce();
        if (!job) break;
        {
          std::lock_guard lock(mutex_);
          line_.push_back({std::move(job)});
        }
        to_work_.notify_one();
      }
      {
        std::lock_guard lock(mutex_);
        closed_ = true;
      }
      wake_all();
    } catch (...) {
      stop(std::current_exception());
    }
    join();
    line_.clear();  // jobs hold mappings: gone before anybody hears of the failure
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct Slot {
    std::unique_ptr<Job> job;
    bool taken = false;
    bool done = false;
  };

  bool wait_for_room(const std::function<void()>& idle) {
    std::unique_lock lock(mutex_);
    const auto room = [this] { return stopped_ || line_.size() < limit_; };
    while (!to_produce_.wait_for(lock, kIdleEvery, room)) {
      if (!idle) continue;
      lock.unlock();
      idle();
      lock.lock();
    }
    return !stopped_;
  }

  Slot* next_untaken() {
    for (Slot& slot : line_)
      if (!slot.taken) return &slot;
    return nullptr;
  }

  void worker() {
    std::unique_lock lock(mutex_);
    for (;;) {
      Slot* slot = nullptr;
      to_work_.wait(lock, [&] {
        slot = next_untaken();
        return stopped_ || slot || closed_;
      });
      if (stopped_ || !slot) return;
      slot->taken = true;
      Job& job = *slot->job;
      if (!unlocked(lock, [&] { job.work(); })) return;
      slot->done = true;  // a deque keeps its elements where they are
      if (slot == &line_.front()) to_consume_.notify_one();
    }
  }

  void consumer() {
    std::unique_lock lock(mutex_);
    for (;;) {
      to_consume_.wait(
          lock, [this] { return stopped_ || (line_.empty() ? closed_ : line_.front().done); });
      if (stopped_ || line_.empty()) return;
      Job& job = *line_.front().job;
      if (!unlocked(lock, [&] { job.consume(); })) return;
      std::unique_ptr<Job> gone = std::move(line_.front().job);
      line_.pop_front();
      lock.unlock();
      to_produce_.notify_one();
      gone.reset();
      lock.lock();
    }
  }

  template <typename Stage>
  bool unlocked(std::unique_lock<std::mutex>& lock, Stage stage) {
    lock.unlock();
    try {
      stage();
    } catch (...) {
      stop(std::current_exception());
      return false;
    }
    lock.lock();
    return true;
  }

  void stop(std::exception_ptr failure) {
    {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = failure;
      stopped_ = true;
    }
    wake_all();
  }

  void wake_all() {
    for (std::condition_variable* stage : {&to_produce_, &to_work_, &to_consume_})
      stage->notify_all();
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  const size_t limit_;
  std::mutex mutex_;
  std::condition_variable to_produce_, to_work_, to_consume_;
  std::deque<Slot> line_;
  bool closed_ = false;
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(unsigned threads) : threads_(threads < 1 ? 1 : threads) {}

  void run(const std::function<std::unique_ptr<Job>()>& produce) override { run(produce, {}); }
  void run(const std::function<std::unique_ptr<Job>()>& produce,
           const std::function<void()>& idle) override {
    ThreadRun(threads_).run(produce, idle);
  }
  unsigned width() const override { return threads_; }

 private:
  unsigned threads_;
};

}  // namespace

std::unique_ptr<Executor> make_thread_executor(unsigned threads) {
  return std::make_unique<ThreadExecutor>(threads);
}

}  // namespace ferry
