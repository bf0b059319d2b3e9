// How hard the pages of a save are compressed.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

namespace ferry {

// A level of zstd that was asked for; or, where none was, the one with which the save goes on
// fastest. Compressing goes on beside writing, so a byte of pages takes as long as the slower of
//
//   its work at the level / batches that are worked on at once,  what is left of it / speed of the
//   sink
//
// All of that is measured of the batches themselves, some MiB at a time; what a level would take
// that is not in use follows from the one that is, by what levels are to each other as a rule.
class LevelControl {
 public:
  // Of a batch: how it is compressed, 0 for not at all, and by which decision.
  struct Choice {
    int level = 0;
    uint64_t decision = 0;
  };
  // What became of a batch; times in nanoseconds of the clock.
  struct Done {
    uint64_t bytes = 0, stored = 0;  // of pages with data, and of the record
    uint64_t work = 0;               // until it was ready
    uint64_t write_began = 0, write_ended = 0;
  };
  using Clock = std::function<uint64_t()>;  // nanoseconds; never goes back

  static constexpr int kHighest = 6;  // that is chosen: images hardly get smaller beyond it

  // level: none where it is to be chosen. width: how many batches are worked on at once.
  LevelControl(std::optional<int> level, unsigned width, Clock clock = {});

  // Of the next batch. On the thread that begins batches.
  Choice next();
  // By the clock, or 0 where nobody wants to know.
  uint64_t now() const;
  // A batch has been written. On the thread that writes.
  void written(const Choice& choice, const Done& done);

 private:
  // Of a byte: the share of pages of which a level makes less at all; of them, work at level 1 and
  // what that leaves; of the others, work; and what a byte takes in the sink.
  struct Figures {
    double shrinking, work, left, raw_work, sink;
  };
  // Of the batches of one decision.
  struct Window {
    uint64_t began = 0, batches = 0, bytes = 0, stored = 0, write = 0;
    uint64_t tried = 0;  // to be compressed
    uint64_t shrunk = 0, shrunk_work = 0,
             left = 0;               // of those, where it was worth it; as at level 1
    uint64_t raw = 0, raw_work = 0;  // the others
  };
  void add(int level, const Done& done);
  bool enough(uint64_t now) const;
  void learn();
  double time_at(size_t rung) const;
  void decide();

  const std::optional<int> fixed_;
  const unsigned width_;
  const Clock clock_;
  std::mutex mutex_;
  Figures figures_;
  size_t rung_;
  uint64_t decision_ = 0;
  uint64_t raw_batches_ = 0;  // since the last one that was compressed
  Window window_;
};

}  // namespace ferry
