// A guest's frames for tests: some pfns, each with its own mfn, in no order.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "p2m/frames.h"

namespace ferry {

class FakeFrames {
 public:
  FakeFrames() = default;
  FakeFrames(uint32_t seed, uint64_t count, uint64_t highest_mfn = 0xffffffffff) {
    std::mt19937_64 random(seed);
    while (mfn_of_.size() < count) {
      const uint64_t pfn = random() % (count * 2);
      const uint64_t mfn = random() % highest_mfn + 1;
      if (mfn_of_.contains(pfn) || pfn_of_.contains(mfn)) continue;
      add(pfn_t(pfn), mfn_t(mfn));
    }
  }

  void add(pfn_t pfn, mfn_t mfn) {
    mfn_of_[pfn.raw()] = mfn.raw();
    pfn_of_[mfn.raw()] = pfn.raw();
    pfns_.push_back(pfn);
  }

  bool pfn_of(mfn_t mfn, pfn_t& pfn) const {
    const auto it = pfn_of_.find(mfn.raw());
    if (it == pfn_of_.end()) return false;
    pfn = pfn_t(it->second);
    return true;
  }
  bool mfn_of(pfn_t pfn, mfn_t& mfn) const {
    const auto it = mfn_of_.find(pfn.raw());
    if (it == mfn_of_.end()) return false;
    mfn = mfn_t(it->second);
    return true;
  }

  const std::vector<pfn_t>& pfns() const { return pfns_; }
  pfn_t pick(uint64_t n) const { return pfns_[n % pfns_.size()]; }
  mfn_t mfn(pfn_t pfn) const { return mfn_t(mfn_of_.at(pfn.raw())); }

 private:
  std::map<uint64_t, uint64_t> mfn_of_, pfn_of_;
  std::vector<pfn_t> pfns_;
};

}  // namespace ferry
