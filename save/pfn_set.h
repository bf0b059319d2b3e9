// A set of pfns: a bit for each.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "p2m/frames.h"

namespace ferry {

class PfnSet {
 public:
  explicit PfnSet(uint64_t nr_pfns) : nr_pfns_(nr_pfns), words_((nr_pfns + 63) / 64) {}

  uint64_t nr_pfns() const { return nr_pfns_; }
  bool contains(pfn_t pfn) const { return words_[pfn.raw() / 64] >> (pfn.raw() % 64) & 1; }
  void add(pfn_t pfn) { words_[pfn.raw() / 64] |= bit(pfn); }
  void remove(pfn_t pfn) { words_[pfn.raw() / 64] &= ~bit(pfn); }
  void clear() { words_.assign(words_.size(), 0); }

  uint64_t count() const {
    uint64_t count = 0;
    for (uint64_t word : words_) count += static_cast<uint64_t>(std::popcount(word));
    return count;
  }

  // The first member from pfn on, or nr_pfns().
  pfn_t next(pfn_t from) const {
    for (uint64_t n = from.raw(); n < nr_pfns_;) {
      const uint64_t rest = words_[n / 64] >> (n % 64);
      if (rest != 0) return pfn_t(n + static_cast<uint64_t>(std::countr_zero(rest)));
      n = (n / 64 + 1) * 64;
    }
    return pfn_t(nr_pfns_);
  }

 private:
  static uint64_t bit(pfn_t pfn) { return uint64_t{1} << (pfn.raw() % 64); }

  uint64_t nr_pfns_;
  std::vector<uint64_t> words_;
};

}  // namespace ferry
