// A crew does each part of a piece of work once, all of it before it returns.
#include "pipeline/crew.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace ferry {
namespace {

TEST(Crew, does_each_part_once_and_all_before_it_returns) {
  for (const unsigned threads : {0u, 1u, 2u, 3u, 8u}) {
    Crew crew(threads);
    for (const size_t count : {0u, 1u, 31u, 32u, 33u, 512u, 1000u}) {
      std::vector<std::atomic<int>> done(count);
      crew.share(count, [&](size_t first, size_t end) {
        ASSERT_LE(end, count);
        for (size_t i = first; i < end; ++i) ++done[i];
      });
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(done[i], 1) << i << " of " << count;
    }
  }
}

TEST(Crew, gives_no_more_at_once_than_it_is_told) {
  for (const unsigned threads : {1u, 3u}) {
    Crew crew(threads);
    std::vector<std::atomic<int>> done(1000);
    crew.share(
        1000,
        [&](size_t first, size_t end) {
          EXPECT_EQ(first % 256, 0u);
          EXPECT_EQ(end, std::min<size_t>(first + 256, 1000));
          for (size_t i = first; i < end; ++i) ++done[i];
        },
        256);
    for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(done[i], 1) << i;
  }
}

TEST(Crew, has_one_piece_after_the_other_done_by_the_same_threads) {
  Crew crew(3);
  std::mutex mutex;
  std::set<std::thread::id> workers;
  for (int i = 0; i < 2000; ++i) {
    std::atomic<size_t> sum{0};
    crew.share(200, [&](size_t first, size_t end) {
      sum += end - first;
      const std::lock_guard lock(mutex);
      workers.insert(std::this_thread::get_id());
    });
    ASSERT_EQ(sum, 200u);
  }
  EXPECT_LE(workers.size(), 3u);
}

// Range by range, as what it is used for: a page is judged, and the first bad one is named.
TEST(Crew, throws_what_the_first_part_threw_whatever_the_number_of_threads) {
  for (const unsigned threads : {1u, 2u, 8u}) {
    Crew crew(threads);
    for (int round = 0; round < 200; ++round) {
      try {
        crew.share(1000, [&](size_t first, size_t end) {
          for (size_t i = first; i < end; ++i)
            if (i >= 300 && i % 50 == 7) throw std::runtime_error(std::to_string(i));
        });
        FAIL() << "no exception";
      } catch (const std::runtime_error& e) {
        ASSERT_STREQ(e.what(), "307") << threads;
      }
    }
    std::atomic<size_t> sum{0};
    crew.share(1000, [&](size_t first, size_t end) { sum += end - first; });
    EXPECT_EQ(sum, 1000u) << "a crew works on after a failure";
  }
}

}  // namespace
}  // namespace ferry
