// How hard the pages of a save are compressed.
#include "save/level_control.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace ferry {
namespace {

// The levels that are chosen from, with what they are to level 1 as a rule, on the contents of
// programs: how much work, and how much is left.
struct Rung {
  int level;
  double work, left;
};
constexpr Rung kRungs[] = {
    {0, 0, 0}, {1, 1, 1}, {2, 1.2, 0.945}, {3, 1.85, 0.907}, {LevelControl::kHighest, 4.5, 0.858}};
constexpr size_t kRaw = 0, kLowest = 1;

// Before anything was measured: nanoseconds a byte of some server's core.
constexpr double kWork = 2.3, kRawWork = 0.13, kLeft = 0.4;

// What is measured of one decision, at least, if it does not take too long.
constexpr uint64_t kWindowBytes = 4u << 20;
constexpr uint64_t kWindowMost = 100'000'000;  // nanoseconds

// A level that is better by less is not worth its work.
constexpr double kWorthIt = 0.95;

// While pages are stored raw, one batch is compressed now and then, so rarely that it costs no more
// than this share of the time.
constexpr double kTrying = 0.02;

constexpr double kNewest = 0.5;  // what the last window weighs

uint64_t steady_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

const Rung& rung_of(int level) {
  return *std::ranges::find(kRungs, level, &Rung::level);
}

void learn_of(double& figure, uint64_t part, uint64_t whole) {
  if (whole == 0) return;
  figure += kNewest * (static_cast<double>(part) / static_cast<double>(whole) - figure);
}

}  // namespace

LevelControl::LevelControl(std::optional<int> level, unsigned width, Clock clock)
    : fixed_(level),
      width_(std::max(width, 1u)),
      clock_(clock ? std::move(clock) : steady_ns),
      figures_{1, kWork, kLeft, kRawWork, 0},
      rung_(kLowest) {
}

uint64_t LevelControl::now() const {
  return fixed_ ? 0 : clock_();
}

LevelControl::Choice LevelControl::next() {
  if (fixed_) return {.level = *fixed_};
  const std::lock_guard lock(mutex_);
  if (rung_ != kRaw) return {.level = kRungs[rung_].level, .decision = decision_};
  const double raw_time = static_cast<double>(++raw_batches_) * time_at(kRaw);
  const bool to_try = raw_time * kTrying > figures_.work;
  if (to_try) raw_batches_ = 0;
  return {.level = kRungs[to_try ? kLowest : kRaw].level, .decision = decision_};
}

void LevelControl::written(const Choice& choice, const Done& done) {
  if (fixed_ || done.bytes == 0) return;
  const std::lock_guard lock(mutex_);
  // What was begun before the decision says nothing of it.
  if (choice.decision != decision_) return;
  add(choice.level, done);
  if (!enough(done.write_ended)) return;
  learn();
  decide();
  window_ = {};
}

void LevelControl::add(int level, const Done& done) {
  if (window_.batches++ == 0) window_.began = done.write_began;
  window_.bytes += done.bytes;
  window_.stored += done.stored;
  window_.write += done.write_ended - done.write_began;
  if (level != 0) window_.tried += done.bytes;
  if (level == 0 || done.stored >= done.bytes) {
    window_.raw += done.bytes;
    window_.raw_work += done.work;
    return;
  }
  const Rung& rung = rung_of(level);
  window_.shrunk += done.bytes;
  window_.shrunk_work += static_cast<uint64_t>(static_cast<double>(done.work) / rung.work);
  window_.left += static_cast<uint64_t>(static_cast<double>(done.stored) / rung.left);
}

bool LevelControl::enough(uint64_t now) const {
  if (window_.batches < width_) return false;
  return (window_.bytes >= kWindowBytes && window_.batches >= 2 * width_) ||
         now - window_.began >= kWindowMost;
}

void LevelControl::learn() {
  learn_of(figures_.shrinking, window_.shrunk, window_.tried);
  learn_of(figures_.work, window_.shrunk_work, window_.shrunk);
  learn_of(figures_.left, window_.left, window_.shrunk);
  learn_of(figures_.raw_work, window_.raw_work, window_.raw);
  learn_of(figures_.sink, window_.write, window_.stored);
}

// Nanoseconds a byte of pages.
double LevelControl::time_at(size_t rung) const {
  const double share = rung == kRaw ? 0 : figures_.shrinking;
  const double work = share * figures_.work * kRungs[rung].work + (1 - share) * figures_.raw_work;
  const double left = share * std::min(figures_.left * kRungs[rung].left, 1.0) + (1 - share);
  return std::max(work / width_, left * figures_.sink);
}

void LevelControl::decide() {
  size_t best = kRaw;
  for (size_t rung = kLowest; rung < std::size(kRungs); ++rung) {
    // What cannot be compressed costs nothing to try: then what can is noticed when it comes.
    const double worth = rung == kLowest ? 1 : kWorthIt;
    if (time_at(rung) <= time_at(best) * worth) best = rung;
  }
  if (best == rung_) return;
  rung_ = best;
  raw_batches_ = 0;
  ++decision_;
}

}  // namespace ferry
