// The memory that reader and engine share.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "intake/page_ring.h"
#include "intake/piped_records.h"
#include "intake/record_pipe.h"
#include "tests/intake/collected.h"

namespace ferry::test {
namespace {

TEST(PageRing, has_places_of_their_own_in_turn) {
  PageRing ring(3);
  for (uint64_t n = 0; n < 3; ++n) {
    EXPECT_EQ(ring.place(n).size(), PageRing::kPlaceBytes);
    EXPECT_EQ(ring.place(n).data(), ring.place(n + 3).data());
    EXPECT_EQ(ring.place(n + 1).data() == ring.place(n).data() + PageRing::kPlaceBytes, n < 2);
  }
}

TEST(PageRing, is_shared_with_a_process_that_was_made_later) {
  PageRing ring(1);
  const pid_t child = ::fork();
  if (child == 0) {
    ring.place(0)[4095] = std::byte{7};
    ring.take_turn();
    ::_exit(0);
  }
  ring.give_turns(1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ring.place(0)[4095], std::byte{7});
}

// A reader that takes no turns does not hold up the engine.
TEST(PageRing, gives_turns_without_end) {
  PageRing ring(1);
  MemorySink sink;
  RecordPipe pipe(sink);
  pipe.held(0);
  pipe.head({.nr_pfns = 1});
  constexpr unsigned kMany = 100'000;
  for (unsigned i = 0; i < kMany; ++i) pipe.pages({}, {});
  pipe.end();
  MemorySource source(sink.bytes());
  Collected taken;
  PipedRecords(source, ring, [](int) {}).read(taken);
  for (unsigned i = 0; i < kMany; ++i) ring.take_turn();
}

}  // namespace
}  // namespace ferry::test
