// The index against a plain map of what was written, and hostile parts of it.
#include "proto/index.h"

#include <gtest/gtest.h>

#include <map>

#include "error/error.h"
#include "tests/proto/arbitrary.h"

namespace ferry {
namespace {

constexpr uint64_t kFirstOffset = 100;  // of Pages records

struct Expected {
  v1::PageKind kind;
  uint64_t offset;
  uint64_t bytes, with_data;  // of its record
};

struct Written {
  explicit Written(uint64_t pfns) : nr_pfns(pfns), builder(pfns) {}

  void add(const std::vector<PageRun>& runs, uint64_t bytes) {
    uint64_t with_data = 0;
    for (const PageRun& run : runs)
      if (has_data(run.kind)) with_data += run.count;
    builder.add(end, bytes, runs);
    for (const PageRun& run : runs)
      for (uint64_t i = 0; i < run.count; ++i)
        last[run.first.raw() + i] = {run.kind, end, bytes, with_data};
    end += bytes;
  }

  std::vector<PageEntry> expand(uint64_t i) const {
    const uint64_t first = i * kPfnsPerIndexPart;
    std::vector<PageEntry> entries(std::min(kPfnsPerIndexPart, nr_pfns - first));
    for (const IndexRun& run : read_index_part(builder.part(i), i, nr_pfns, end, "here"))
      for (uint64_t pfn = run.first; pfn < run.first + run.count; ++pfn)
        entries.at(pfn - first) = {run.kind, true, run.record_offset};
    return entries;
  }

  uint64_t nr_pfns;
  IndexBuilder builder;
  std::map<uint64_t, Expected> last;
  uint64_t end = kFirstOffset;
};

std::vector<PageRun> arbitrary_runs(uint64_t nr_pfns) {
  std::vector<PageRun> runs;
  uint64_t pfn = *rc::gen::inRange<uint64_t>(0, nr_pfns);
  for (auto n = *rc::gen::inRange(0, 20); n > 0; --n) {
    const auto count =
        *rc::gen::oneOf(rc::gen::inRange<uint64_t>(1, 5), rc::gen::inRange<uint64_t>(1, 70000));
    if (count > nr_pfns - pfn) break;
    runs.push_back({pfn_t(pfn), count, test::arbitrary_kind()});
    pfn += count + *rc::gen::inRange<uint64_t>(0, 3);
    if (pfn >= nr_pfns) break;
  }
  return runs;
}

TEST(Index, HasTheLastRecordThatSpokeOfEachPfn) {
  EXPECT_TRUE(rc::check([] {
    const auto nr_pfns = *rc::gen::inRange<uint64_t>(1, 3 * kPfnsPerIndexPart);
    Written written(nr_pfns);
    for (auto records = *rc::gen::inRange(0, 6); records > 0; --records)
      written.add(arbitrary_runs(nr_pfns), *rc::gen::inRange<uint64_t>(60, 1 << 20));
    for (uint64_t i = 0; i < written.builder.parts(); ++i) {
      const auto entries = written.expand(i);
      RC_ASSERT(entries.size() == std::min(kPfnsPerIndexPart, nr_pfns - i * kPfnsPerIndexPart));
      for (uint64_t at = 0; at < entries.size(); ++at) {
        const auto expected = written.last.find(i * kPfnsPerIndexPart + at);
        const PageEntry& entry = entries[at];
        if (entry.mentioned != (expected != written.last.end())) RC_FAIL("mentioned");
        if (!entry.mentioned) continue;
        if (entry.kind != expected->second.kind) RC_FAIL("kind");
        if (entry.record_offset != (has_data(entry.kind) ? expected->second.offset : 0))
          RC_FAIL("offset");
      }
    }
  }));
}

TEST(Index, SumsUpTheLastVersionsAndTheirShareOfTheBytes) {
  EXPECT_TRUE(rc::check([] {
    const auto nr_pfns = *rc::gen::inRange<uint64_t>(1, 2 * kPfnsPerIndexPart);
    Written written(nr_pfns);
    const auto records = *rc::gen::inRange<uint64_t>(0, 6);
    uint64_t bytes = 0;
    for (uint64_t n = 0; n < records; ++n) {
      const auto size = *rc::gen::inRange<uint64_t>(60, 1 << 20);
      written.add(arbitrary_runs(nr_pfns), size);
      bytes += size;
    }
    std::map<int, std::pair<uint64_t, double>> expected;
    for (const auto& [pfn, page] : written.last) {
      auto& [pages, share] = expected[page.kind];
      ++pages;
      if (has_data(page.kind))
        share += static_cast<double>(page.bytes) / static_cast<double>(page.with_data);
    }
    v1::IndexRoot root;
    written.builder.summarise(root);
    RC_ASSERT(root.pages_records() == records);
    RC_ASSERT(root.pages_bytes() == bytes);
    RC_ASSERT(root.kind_pages_size() == static_cast<int>(3 * expected.size()));
    int at = 0;
    for (const auto& [kind, sum] : expected) {
      RC_ASSERT(root.kind_pages(at++) == static_cast<uint64_t>(kind));
      RC_ASSERT(root.kind_pages(at++) == sum.first);
      const auto stored = static_cast<double>(root.kind_pages(at++));
      RC_ASSERT(stored <= sum.second + 0.5 && stored >= sum.second - 4);  // it rounds down
    }
  }));
}

TEST(Index, RefusesPfnsTheGuestDoesNotHave) {
  IndexBuilder builder(100);
  EXPECT_NO_THROW(builder.add(0, 60, std::vector<PageRun>{{pfn_t(99), 1, v1::ZERO}}));
  EXPECT_THROW(builder.add(0, 60, std::vector<PageRun>{{pfn_t(99), 2, v1::ZERO}}), Error);
  EXPECT_THROW(builder.add(0, 60, std::vector<PageRun>{{pfn_t(UINT64_MAX), 1, v1::ZERO}}), Error);
  EXPECT_THROW(IndexBuilder(kMaxPfns + 1), Error);
}

TEST(Index, AHostilePartIsRefused) {
  const auto refused = [](std::vector<uint64_t> offsets, std::vector<uint64_t> runs,
                          uint64_t first = kPfnsPerIndexPart) {
    v1::IndexPart part;
    part.set_first_pfn(first);
    for (const uint64_t offset : offsets) part.add_record_offsets(offset);
    for (const uint64_t n : runs) part.add_runs(n);
    try {
      read_index_part(part, 1, kPfnsPerIndexPart + 100, 1000, "here");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::bad_image);
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refused({}, {}));
  EXPECT_FALSE(refused({50, 1}, {0, 100, v1::DATA, 1}));
  EXPECT_FALSE(refused({50}, {99, 1, v1::ZERO, 0}));
  EXPECT_TRUE(refused({}, {}, 0));
  EXPECT_TRUE(refused({50}, {0, 101, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {100, 1, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {UINT64_MAX, 1, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {1, UINT64_MAX, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {1, 0, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {1, 1, v1::DATA, 1}));
  EXPECT_TRUE(refused({}, {1, 1, v1::DATA, 0}));
  EXPECT_TRUE(refused({50}, {1, 1, v1::ZERO, 1}));
  EXPECT_TRUE(refused({50}, {1, 1, 5, 0}));
  EXPECT_TRUE(refused({50}, {1, 1, UINT64_MAX, 0}));
  EXPECT_TRUE(refused({50}, {1, 1, v1::DATA}));
  EXPECT_TRUE(refused({50, 0}, {}));
  EXPECT_TRUE(refused({1000}, {}));
  EXPECT_TRUE(refused({50, UINT64_MAX}, {}));
}

}  // namespace
}  // namespace ferry
