// What a reader says is what the engine takes.
#include <gtest/gtest.h>

#include "intake/message.h"
#include "intake/piped_records.h"
#include "intake/record_pipe.h"
#include "tests/intake/collected.h"

namespace ferry::test {
namespace {

std::vector<std::byte> bytes_of(size_t size, int value) {
  return std::vector<std::byte>(size, std::byte(value));
}

TEST(Intake, says_on_one_side_what_was_said_on_the_other) {
  PageRing ring(2);
  MemorySink sink;
  RecordPipe pipe(sink);
  pipe.held(0);
  pipe.head({.nr_pfns = 1000,
             .populated_pages = 900,
             .p2m_root_pfn = 7,
             .max_vcpu_id = 3,
             .linear_p2m = true,
             .live = false});
  pipe.cpu_policy(bytes_of(48, 1), bytes_of(16, 2));
  const PfnRun populated[] = {{pfn_t(1), 2}, {pfn_t(5), 600}};
  pipe.populated(populated);
  const KindRun runs[] = {{pfn_t(1), 1, PageKind::l4_pinned}, {pfn_t(9), 70, PageKind::zero}};
  ring.place(0)[0] = std::byte{0x55};
  pipe.pages(runs, {});
  pipe.tsc(12, {.mode = 2, .khz = 3, .nsec = 4, .incarnation = 5});
  pipe.shared_info(13, bytes_of(kPageSize, 6));
  pipe.vcpu(14, {3, bytes_of(5000, 7), bytes_of(128, 8), bytes_of(900, 9), bytes_of(32, 10)});
  pipe.end();

  int held = -1;
  MemorySource source(sink.bytes());
  Collected taken;
  PipedRecords(source, ring, [&](int error) { held = error; }).read(taken);

  EXPECT_EQ(held, 0);
  EXPECT_EQ(taken.order, "hcrptsv");
  ASSERT_EQ(taken.heads.size(), 1u);
  EXPECT_EQ(taken.heads[0].nr_pfns, 1000u);
  EXPECT_EQ(taken.heads[0].populated_pages, 900u);
  EXPECT_EQ(taken.heads[0].p2m_root_pfn, 7u);
  EXPECT_EQ(taken.heads[0].max_vcpu_id, 3u);
  EXPECT_TRUE(taken.heads[0].linear_p2m);
  EXPECT_FALSE(taken.heads[0].live);
  EXPECT_EQ(taken.leaves, bytes_of(48, 1));
  EXPECT_EQ(taken.msrs, bytes_of(16, 2));
  ASSERT_EQ(taken.populations.size(), 2u);
  EXPECT_EQ(taken.populations[1].first, pfn_t(5));
  EXPECT_EQ(taken.populations[1].count, 600u);
  ASSERT_EQ(taken.runs.size(), 2u);
  EXPECT_EQ(taken.runs[0].kind, PageKind::l4_pinned);
  EXPECT_EQ(taken.runs[1].first, pfn_t(9));
  EXPECT_EQ(taken.runs[1].count, 70u);
  EXPECT_EQ(taken.first_bytes, bytes_of(1, 0x55));
  EXPECT_EQ(taken.tscs.at(0).nsec, 4u);
  EXPECT_EQ(taken.tscs.at(0).incarnation, 5u);
  EXPECT_EQ(taken.shared, bytes_of(kPageSize, 6));
  EXPECT_EQ(taken.vcpus.at(0).id, 3u);
  EXPECT_EQ(taken.vcpus.at(0).basic, bytes_of(5000, 7));
  EXPECT_EQ(taken.vcpus.at(0).extended, bytes_of(128, 8));
  EXPECT_EQ(taken.vcpus.at(0).xsave, bytes_of(900, 9));
  EXPECT_EQ(taken.vcpus.at(0).msrs, bytes_of(32, 10));
  EXPECT_EQ(taken.numbers, (std::vector<uint64_t>{12, 13, 14}));
}

TEST(Intake, says_a_long_list_in_pieces) {
  std::vector<PfnRun> runs;
  for (uint64_t i = 0; i < 2 * message::kMostPopulatedRuns + 1; ++i)
    runs.push_back({pfn_t(2 * i), 1});
  MemorySink sink;
  RecordPipe pipe(sink);
  pipe.held(0);
  pipe.head({.nr_pfns = 1});
  pipe.populated(runs);
  pipe.populated({});
  pipe.end();
  PageRing ring(1);
  MemorySource source(sink.bytes());
  Collected taken;
  PipedRecords(source, ring, [](int) {}).read(taken);
  EXPECT_EQ(taken.order, "hrrrr");
  ASSERT_EQ(taken.populations.size(), runs.size());
  EXPECT_EQ(taken.populations.back().first, runs.back().first);
}

TEST(Intake, reads_not_a_byte_behind_the_end) {
  MemorySink sink;
  RecordPipe pipe(sink);
  pipe.held(0);
  pipe.head({.nr_pfns = 1});
  pipe.end();
  sink.write(bytes_of(5, 1));
  PageRing ring(1);
  MemorySource source(sink.bytes());
  Collected taken;
  PipedRecords(source, ring, [](int) {}).read(taken);
  std::vector<std::byte> rest(10);
  EXPECT_EQ(source.read(rest), 5u);
}

TEST(Intake, takes_what_is_too_large_for_a_guest_from_nobody) {
  MemorySink sink;
  RecordPipe pipe(sink);
  EXPECT_THROW(pipe.vcpu(1, {0, bytes_of(kMostVcpuBytes, 1), bytes_of(1, 1), {}, {}}), Error);
  EXPECT_THROW(pipe.cpu_policy(bytes_of(kMostPolicyBytes + 1, 1), {}), Error);
  EXPECT_THROW(pipe.cpu_policy({}, bytes_of(kMostPolicyBytes + 1, 1)), Error);
  EXPECT_THROW(pipe.shared_info(1, bytes_of(kPageSize + 1, 1)), Error);
  EXPECT_TRUE(sink.bytes().empty());
}

}  // namespace
}  // namespace ferry::test
