// Simulated guests for the policy.
#include "tests/live/dirty_curve.h"

#include <algorithm>
#include <cmath>

#include "p2m/frames.h"

namespace ferry {
namespace {

constexpr double kPage = kPageSize;

double uniform(std::mt19937_64& random, double from, double to) {
  return from + (to - from) * (static_cast<double>(random() >> 11) * 0x1p-53);
}

// Every order of magnitude as likely as every other.
double any_size(std::mt19937_64& random, double from, double to) {
  return std::exp(uniform(random, std::log(from), std::log(to)));
}

uint64_t us(double seconds) {
  return static_cast<uint64_t>(seconds * 1e6);
}

}  // namespace

DirtyCurve::DirtyCurve(std::mt19937_64& random) : pages_(any_size(random, 64 << 20, 64e9) / kPage) {
  const auto count = 1 + random() % 4;
  for (uint64_t i = 0; i < count; ++i) {
    Phase p{};
    p.seconds = any_size(random, 0.2, 60);
    p.hot_pages = any_size(random, 10, pages_ * 0.4);
    p.hot_writes = p.hot_pages * any_size(random, 0.05, 100);
    p.streamed = random() % 3 == 0 ? any_size(random, 1, 200'000) : 0;
    if (random() % 4 == 0) p.hot_writes /= 100;  // rests
    phases_.push_back(p);
    period_ += p.seconds;
  }
}

double DirtyCurve::dirtied(double from, double to) const {
  // Hot sets of different phases lie apart; in the same phase of a later period they are the same.
  std::vector<double> seconds(phases_.size(), 0);
  const double periods = std::floor((to - from) / period_);
  for (size_t i = 0; i < phases_.size(); ++i) seconds[i] = periods * phases_[i].seconds;
  double at = from + periods * period_;
  while (to - at > 1e-9) {
    double in_period = std::fmod(at, period_);
    size_t i = 0;
    while (i + 1 < phases_.size() && in_period >= phases_[i].seconds)
      in_period -= phases_[i++].seconds;
    const double step = std::min(to - at, std::max(phases_[i].seconds - in_period, 1e-9));
    seconds[i] += step;
    at += step;
  }
  double pages = 0;
  for (size_t i = 0; i < phases_.size(); ++i) {
    const Phase& p = phases_[i];
    pages += p.hot_pages * (1 - std::exp(-p.hot_writes * seconds[i] / p.hot_pages)) +
             p.streamed * seconds[i];
  }
  return std::min(pages, pages_);
}

SimulatedSave::SimulatedSave(uint64_t seed)
    : random_(seed),
      curve_(random_),
      bytes_per_second_(any_size(random_, 10e6, 4e9)),
      // By content at the speed of memory, or by a log that costs next to nothing.
      scan_seconds_(random_() % 2 ? curve_.pages() * kPage / any_size(random_, 5e9, 50e9) : 0.002),
      suspend_seconds_(any_size(random_, 0.005, 0.15)),
      noise_(uniform(random_, 0, 0.25)),
      found_pages_(curve_.pages()) {
}

double SimulatedSave::noisy(double value, double share) {
  return value * uniform(random_, 1 - share, 1 + share);
}

RoundFigures SimulatedSave::next() {
  RoundFigures f;
  f.round = ++round_;
  const double send = noisy(found_pages_ * kPage / bytes_per_second_, noise_) + 0.001;
  f.sent_bytes = static_cast<uint64_t>(found_pages_ * kPage);
  f.send_us = us(send);
  now_ += send;
  const double began = now_;
  const double scan = noisy(scan_seconds_, noise_ / 2);
  now_ += scan;
  // A page is looked at somewhere in the middle of a scan.
  found_pages_ = std::floor(curve_.dirtied(scan_began_, began + scan / 2));
  f.round_us = us(began - scan_began_);
  scan_before_ = scan_began_;
  scan_began_ = began;
  f.scan_us = us(scan);
  f.dirty_bytes = static_cast<uint64_t>(found_pages_ * kPage);
  f.elapsed_us = us(now_);
  f.suspend_us = 60'000;
  return f;
}

// What the last scan found was not sent, so all that was dirtied since the scan before it is left.
double SimulatedSave::downtime_us() const {
  const double pages = curve_.dirtied(scan_before_, now_ + suspend_seconds_);
  return (scan_seconds_ + pages * kPage / bytes_per_second_) * 1e6;
}

}  // namespace ferry
