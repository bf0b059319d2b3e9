// The Executor of simulations: one thread, every choice made by a seed.
#include "pipeline/seeded_executor.h"

#include <deque>
#include <random>
#include <vector>

namespace ferry {
namespace {

class SeededExecutor final : public Executor {
 public:
  SeededExecutor(uint64_t seed, unsigned width, std::function<void()> between)
      : random_(seed), width_(width < 1 ? 1 : width), between_(std::move(between)) {}

  using Executor::run;
  void run(const std::function<std::unique_ptr<Job>()>& produce) override {
    std::deque<Slot> line;
    bool ended = false;
    while (!ended || !line.empty()) {
      if (between_) between_();
      std::vector<Slot*> unworked;
      for (Slot& slot : line)
        if (!slot.done) unworked.push_back(&slot);
      // Every step that is possible now, with equal weight for each job that could be worked on.
      const size_t can_produce = !ended && line.size() < width_;
      const size_t can_consume = !line.empty() && line.front().done;
      const size_t choice = pick(can_produce + can_consume + unworked.size());
      if (choice < unworked.size()) {
        unworked[choice]->job->work();
        unworked[choice]->done = true;
      } else if (choice == unworked.size() && can_consume) {
        line.front().job->consume();
        line.pop_front();
      } else if (auto job = produce()) {
        line.push_back({std::move(job), false});
      } else {
        ended = true;
      }
    }
  }

  unsigned width() const override { return width_; }

 private:
  struct Slot {
    std::unique_ptr<Job> job;
    bool done = false;
  };

  // Written out, since the library's distributions may differ from one machine to the next.
  size_t pick(size_t choices) { return static_cast<size_t>(random_() % choices); }

  std::mt19937_64 random_;
  unsigned width_;
  std::function<void()> between_;
};

}  // namespace

std::unique_ptr<Executor> make_seeded_executor(uint64_t seed, unsigned width,
                                               std::function<void()> between) {
  return std::make_unique<SeededExecutor>(seed, width, std::move(between));
}

}  // namespace ferry
