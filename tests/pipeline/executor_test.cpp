// Order, bounds and failure of both executors.
#include "pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pipeline/inline_executor.h"
#include "pipeline/seeded_executor.h"

namespace ferry {
namespace {

struct Record {
  std::vector<int> consumed;
  std::atomic<int> alive{0};
  std::atomic<int> most_alive{0};
};

class TestJob final : public Job {
 public:
  TestJob(Record& record, int n, int fail_work, int fail_consume)
      : record_(record), n_(n), fail_work_(fail_work), fail_consume_(fail_consume) {
    int alive = ++record_.alive;
    int most = record_.most_alive;
    while (alive > most && !record_.most_alive.compare_exchange_weak(most, alive)) {
    }
  }
  ~TestJob() override { --record_.alive; }
  void work() override {
    if (n_ % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (n_ == fail_work_) throw std::runtime_error("work");
  }
  void consume() override {
    if (n_ == fail_consume_) throw std::runtime_error("consume");
    record_.consumed.push_back(n_);
  }

 private:
  Record& record_;
  int n_, fail_work_, fail_consume_;
};

void run(Record& record, Executor& executor, int jobs, int fail_produce = -1, int fail_work = -1,
         int fail_consume = -1) {
  int n = 0;
  executor.run([&]() -> std::unique_ptr<Job> {
    if (n == fail_produce) throw std::runtime_error("produce");
    if (n == jobs) return nullptr;
    int mine = n++;
    return std::make_unique<TestJob>(record, mine, fail_work, fail_consume);
  });
}

std::vector<std::unique_ptr<Executor>> executors() {
  std::vector<std::unique_ptr<Executor>> all;
  all.push_back(std::make_unique<InlineExecutor>());
  for (unsigned width : {1u, 2u, 5u}) {
    all.push_back(make_thread_executor(width));
    for (uint64_t seed = 0; seed < 5; ++seed) all.push_back(make_seeded_executor(seed, width));
  }
  return all;
}

TEST(Executor, consumes_in_order_and_keeps_few_jobs) {
  for (const auto& executor : executors()) {
    Record record;
    run(record, *executor, 300);
    ASSERT_EQ(record.consumed.size(), 300u);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(record.consumed[static_cast<size_t>(i)], i);
    EXPECT_EQ(record.alive, 0);
    EXPECT_LE(record.most_alive, static_cast<int>(2 * executor->width() + 1));
  }
}

TEST(Executor, nothing_to_do) {
  for (const auto& executor : executors()) {
    Record record;
    run(record, *executor, 0);
    EXPECT_TRUE(record.consumed.empty());
  }
}

void expect_failures_stop_all(Executor& executor) {
  for (int at : {0, 1, 50, 99}) {
    for (int stage = 0; stage < 3; ++stage) {
      Record record;
      const char* expected = stage == 0 ? "produce" : stage == 1 ? "work" : "consume";
      try {
        run(record, executor, 100, stage == 0 ? at : -1, stage == 1 ? at : -1,
            stage == 2 ? at : -1);
        FAIL() << "no exception";
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), expected);
      }
      EXPECT_EQ(record.alive, 0) << "a job outlived the run";
      EXPECT_LE(record.consumed.size(), static_cast<size_t>(at));
      for (size_t i = 0; i < record.consumed.size(); ++i)
        EXPECT_EQ(record.consumed[i], static_cast<int>(i));
    }
  }
}

TEST(Executor, failure_of_any_stage_stops_all_and_is_thrown) {
  for (const auto& executor : executors()) expect_failures_stop_all(*executor);
}

TEST(SeededExecutor, the_same_seed_gives_the_same_interleaving) {
  auto steps = [](uint64_t seed) {
    std::vector<int> order;
    struct Note final : Job {
      Note(std::vector<int>& o, int n) : order(o), number(n) {}
      void work() override { order.push_back(number); }
      void consume() override { order.push_back(-number); }
      std::vector<int>& order;
      int number;
    };
    int n = 0;
    make_seeded_executor(seed, 4)->run([&]() -> std::unique_ptr<Job> {
      return n < 50 ? std::make_unique<Note>(order, ++n) : nullptr;
    });
    return order;
  };
  EXPECT_EQ(steps(1), steps(1));
  EXPECT_NE(steps(1), steps(2));
}

}  // namespace
}  // namespace ferry
