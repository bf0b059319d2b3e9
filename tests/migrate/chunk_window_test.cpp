// Chunks that arrive in any order come out in theirs, and never too many wait.
#include "migrate/chunk_window.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <thread>

#include "error/error.h"

namespace ferry {
namespace {

Bytes bytes_of(uint64_t number) {
  return Bytes(1 + number % 5, static_cast<std::byte>(number));
}

ImageChunk chunk(uint64_t number) {
  Bytes bytes = bytes_of(number);
  bytes.push_back(std::byte{99});  // memory may be larger than what is in it
  return {number, std::move(bytes), 1 + number % 5};
}

RC_GTEST_PROP(ChunkWindow, gives_all_chunks_in_order_whoever_brings_them, ()) {
  const auto window = *rc::gen::inRange<uint64_t>(1, 20);
  const auto chunks = *rc::gen::inRange<uint64_t>(0, 60);
  const auto carriers = *rc::gen::inRange<size_t>(1, 6);
  // Which carrier has which chunk; each brings its own in ascending order.
  const auto carrier_of =
      *rc::gen::container<std::vector<size_t>>(chunks, rc::gen::inRange<size_t>(0, carriers));
  ChunkWindow all(window);
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> too_far{false};
  std::vector<std::thread> threads;
  for (size_t c = 0; c < carriers; ++c)
    threads.emplace_back([&, c] {
      for (uint64_t n = 0; n < chunks; ++n) {
        if (carrier_of[n] != c) continue;
        all.put(chunk(n));
        // What was let in was less than a window ahead of what had been taken at that moment.
        if (n > taken + window) too_far = true;
      }
    });
  std::thread end([&] { all.end(chunks); });
  for (uint64_t n = 0; n < chunks; ++n) {
    const auto next = all.take();
    RC_ASSERT(next.has_value());
    const auto bytes = next->bytes();
    RC_ASSERT(Bytes(bytes.begin(), bytes.end()) == bytes_of(n));
    ++taken;
  }
  const bool ended = !all.take();
  for (std::thread& thread : threads) thread.join();
  end.join();
  RC_ASSERT(ended);
  RC_ASSERT(!too_far);
}

TEST(ChunkWindow, refuses_numbers_that_cannot_be) {
  ChunkWindow window(4);
  window.put(chunk(0));
  EXPECT_THROW(window.put(chunk(0)), Error);
  ASSERT_TRUE(window.take());
  EXPECT_THROW(window.put(chunk(0)), Error);
  window.put(chunk(2));
  EXPECT_THROW(window.end(2), Error);
  window.end(3);
  EXPECT_THROW(window.put(chunk(3)), Error);
}

TEST(ChunkWindow, that_failed_lets_everybody_go) {
  ChunkWindow window(1);
  std::thread waits([&] { EXPECT_FALSE(window.put(chunk(5))); });
  window.fail(std::make_exception_ptr(Error(Errc::io, "gone")));
  waits.join();
  EXPECT_THROW(window.take(), Error);
}

TEST(ChunkWindow, that_was_whole_when_it_failed_is_whole) {
  ChunkWindow window(2);
  window.put(chunk(0));
  window.end(1);
  window.fail(std::make_exception_ptr(Error(Errc::io, "gone")));
  EXPECT_TRUE(window.take());
  EXPECT_FALSE(window.take());
}

}  // namespace
}  // namespace ferry
