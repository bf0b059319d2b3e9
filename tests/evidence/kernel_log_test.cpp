// The kernel's log, from rings that went round and rings that make no sense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "error/error.h"
#include "evidence/kernel.h"
#include "evidence/kernel_log.h"
#include "evidence/vcpus.h"
#include "pipeline/inline_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/corruption.h"
#include "tests/evidence/fake_linux.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;

struct Log {
  std::vector<FakeRecord> records;
  evidence::LogTotals totals;
};

Log read_log(const TestGuest& guest) {
  const MemoryFile file(build(guest));
  const ImageFile image = ImageFile::open(file.path());
  const evidence::GuestPages pages(image);
  evidence::KernelMemory memory(pages, evidence::kernel_root(evidence::read_vcpus(image)));
  InlineExecutor executor;
  const auto info = evidence::find_kernels_own(pages, memory, executor);
  if (!info) fail(Errc::unsupported, "nothing");
  Log log;
  log.totals = read_kernel_log(memory, *info, [&](const evidence::LogRecord& record) {
    log.records.push_back({record.nanoseconds, record.facility, record.level, record.text});
  });
  return log;
}

std::vector<FakeRecord> random_records(Random& random, size_t count, size_t longest) {
  std::vector<FakeRecord> records(count);
  uint64_t time = 0;
  for (FakeRecord& record : records) {
    record.nanoseconds = time += random() % 1'000'000'000;
    record.facility = static_cast<unsigned>(random() % 24);
    record.level = static_cast<unsigned>(random() % 8);
    if (random() % 8 != 0)
      for (size_t i = 1 + random() % longest; i != 0; --i)
        record.text += static_cast<char>(random() % 256);
  }
  return records;
}

TEST(KernelLog, is_what_was_written_as_far_as_there_was_room) {
  size_t went_round = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const auto written = random_records(random, 1 + random() % 200, 60);
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.put_log(written, static_cast<unsigned>(3 + random() % 5),
                   static_cast<unsigned>(9 + random() % 6));
    kernel.finish();
    const Log log = read_log(guest);
    ASSERT_FALSE(log.records.empty());
    ASSERT_LE(log.records.size(), written.size());
    went_round += log.records.size() < written.size();
    EXPECT_TRUE(std::equal(log.records.rbegin(), log.records.rend(), written.rbegin()));
    EXPECT_EQ(log.totals.records, log.records.size());
    EXPECT_EQ(log.totals.lost, 0u);
  }
  EXPECT_GT(went_round, 10u);
}

TEST(KernelLog, counts_records_whose_text_is_gone) {
  TestGuest guest;
  FakeLinux kernel(guest);
  const std::vector<FakeRecord> written(6, {.nanoseconds = 1, .text = "here"});
  kernel.put_log(written, 3, 10);
  kernel.finish();
  // A block of the data ring begins with the id of its record.
  auto& page = guest.page(FakeLinux::kImagePfn).words;
  const uint64_t third = (uint64_t{1} << 62) - 1;
  for (size_t i = 0; i + 1 < 512; ++i)
    if (page[i] == third && std::memcmp(&page[i + 1], "here", 4) == 0) page[i] = 7;
  const Log log = read_log(guest);
  EXPECT_EQ(log.records.size(), 5u);
  EXPECT_EQ(log.totals.lost, 1u);
}

TEST(KernelLog, is_refused_where_the_kernel_does_not_name_it) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  try {
    read_log(guest);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("does not say where"));
  }
}

// Anything in the kernel's memory may be anything.
TEST(KernelLog, ends_for_memory_that_makes_no_sense) {
  unsigned read = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.put_log(random_records(random, 40, 60), 4, 10);
    kernel.finish();
    for (unsigned i = 0; i < 1 + seed % 40; ++i) {
      // The structures are in the first pages, numbers of VMCOREINFO in its note.
      const bool note = random() % 4 == 0;
      auto& words =
          guest.page(note ? FakeLinux::kNotePfn : FakeLinux::kImagePfn + random() % 2).words;
      uint64_t& word = words[random() % 512];
      if (note)
        reinterpret_cast<char*>(&word)[random() % 8] = "0123456789abcdef=\n"[random() % 18];
      else
        word = random() % 2 == 0 ? random() : word ^ uint64_t { 1 } << random() % 64;
    }
    try {
      read_log(guest);
      ++read;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(read, 20u);
  EXPECT_GT(refused, 20u);
}

}  // namespace
}  // namespace ferry::test
