// PfnMap beside an array of all pfns.
#include <gtest/gtest.h>
#include <malloc.h>

#include <numeric>
#include <random>
#include <vector>

#include "pfn_map/pfn_map.h"

namespace ferry {
namespace {

struct [[gnu::packed]] Value {
  uint32_t number = 0;
  uint8_t byte = 7;
  friend bool operator==(const Value& a, const Value& b) {
    return a.number == b.number && a.byte == b.byte;
  }
};

class Pair {
 public:
  explicit Pair(uint64_t size) : map(size), plain(size) {}

  void step(std::mt19937_64& random) {
    const uint64_t at = random() % plain.size();
    const uint64_t length = random() % 4 == 0 ? random() % 20'000 : random() % 5;
    const uint64_t count = std::min(length, plain.size() - at);
    const Value value{static_cast<uint32_t>(random()), static_cast<uint8_t>(random() % 3)};
    switch (random() % 4) {
      case 0: {
        const uint64_t first = random() % 3 == 0 ? at / 8192 * 8192 : at;
        map.fill(first, count, value);
        std::fill_n(plain.begin() + static_cast<ptrdiff_t>(first), count, value);
        return;
      }
      case 1:
        for (uint64_t i = 0; i < count % 50; ++i) map.change(at + i) = plain[at + i] = value;
        return;
      case 2:
        return update(at, count, value);
      default:
        if (Value* own = map.own(at)) *own = plain[at] = value;
    }
  }

  // Of values that were written; the others are told, once each, in order.
  void update(uint64_t first, uint64_t count, const Value& value) {
    std::vector<bool> missing(plain.size());
    uint64_t next = first;
    map.update(
        first, count, [&](Value& v) { v = value; },
        [&](uint64_t from, uint64_t n) {
          EXPECT_GE(from, next);
          next = from + n;
          for (uint64_t i = from; i < next; ++i) missing[i] = true;
        });
    EXPECT_LE(next, first + count);
    for (uint64_t pfn = first; pfn < first + count; ++pfn) {
      if (missing[pfn])
        EXPECT_EQ(plain[pfn], Value()) << pfn;
      else
        plain[pfn] = value;
    }
  }

  void expect_same() const {
    for (uint64_t pfn = 0; pfn < plain.size(); ++pfn) ASSERT_EQ(map.get(pfn), plain[pfn]) << pfn;
    uint64_t next = 0;
    map.for_each_run([&](uint64_t first, uint64_t count, const Value& value) {
      ASSERT_EQ(first, next);
      for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(plain[first + i], value) << first + i;
      next = first + count;
    });
    EXPECT_EQ(next, plain.size());
  }

  PfnMap<Value> map;
  std::vector<Value> plain;
};

TEST(PfnMap, holds_what_an_array_would) {
  for (const uint64_t size : {1u, 4096u, 70'001u, 200'000u}) {
    std::mt19937_64 random(size);
    Pair pair(size);
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 50; ++i) pair.step(random);
      pair.expect_same();
    }
  }
}

TEST(PfnMap, sees_any_range_in_runs) {
  std::mt19937_64 random(1);
  Pair pair(150'000);
  for (int i = 0; i < 100; ++i) pair.step(random);
  for (int i = 0; i < 200; ++i) {
    const uint64_t first = random() % pair.plain.size(), count = random() % 100'000;
    uint64_t next = first;
    pair.map.runs_within(first, count, [&](uint64_t from, uint64_t n, const Value& value) {
      ASSERT_EQ(from, next);
      for (uint64_t k = 0; k < n; ++k) ASSERT_EQ(pair.plain[from + k], value);
      next = from + n;
    });
    EXPECT_EQ(next, std::min(first + count, uint64_t{150'000}));
  }
}

uint64_t heap() {
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

// The most bytes of heap that so many values take, every distance-th pfn of 2^32.
TEST(PfnMap, costs_what_is_in_it_wherever_that_lies) {
  constexpr uint64_t kSize = uint64_t{1} << 32;
  for (const uint64_t distance : {1u, 2u, 3u, 50u, 4096u, 65536u}) {
    const uint64_t before = heap();
    PfnMap<Value> map(kSize);
    const uint64_t values = std::min<uint64_t>(1u << 19, kSize / distance);
    for (uint64_t i = 0; i < values; ++i) map.change(i * distance).number = 1;
    EXPECT_LE(heap() - before, (24u << 20) + 16 * values) << distance;
  }
  const uint64_t before = heap();
  PfnMap<Value> map(kSize);
  map.fill(0, kSize, {1, 1});
  EXPECT_LE(heap() - before, 64u << 20) << "all of it alike";
}

}  // namespace
}  // namespace ferry
