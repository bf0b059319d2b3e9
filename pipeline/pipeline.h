// A pipeline of three stages: jobs are produced in order, worked on in any order and anywhere,
// and consumed in the order they were produced. An Executor decides where and when.
#pragma once

#include <functional>
#include <memory>

namespace ferry {

class Job {
 public:
  virtual ~Job() = default;
  // On any thread, at the same time as other jobs' work().
  virtual void work() = 0;
  // On one thread at a time, in the order in which jobs were produced.
  virtual void consume() = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;

  // Calls produce until it returns nothing; every job it returned goes through work() and then
  // consume(). produce runs on the calling thread. The first exception of any stage stops all of
  // it: no further job is produced or consumed, started work ends, then it is thrown from here.
  virtual void run(const std::function<std::unique_ptr<Job>()>& produce) = 0;

  // The same. idle may be called on the calling thread while it waits for room for another job, a
  // few times a second.
  virtual void run(const std::function<std::unique_ptr<Job>()>& produce,
                   const std::function<void()>& /*idle*/) {
    run(produce);
  }

  // How many jobs can be worked on at once.
  virtual unsigned width() const = 0;
};

// Threads, at most `threads` jobs in work and twice that many under way. consume() runs on a
// thread of its own. With threads == 1 there still is one worker beside producer and consumer.
std::unique_ptr<Executor> make_thread_executor(unsigned threads);

}  // namespace ferry
