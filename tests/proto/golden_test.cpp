// Every version ever released stays readable: the images in tests/golden/ hold what they held.
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <map>

#include "proto/record_reader.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/golden.h"

namespace ferry {
namespace {

namespace golden = test::golden;
using google::protobuf::util::MessageDifferencer;

struct Golden : testing::TestWithParam<std::string> {
  std::string path() const { return std::string(FERRY_GOLDEN) + "/" + GetParam(); }
};

TEST_P(Golden, HoldsTheSameRecordsAsEver) {
  std::vector<v1::Record> expected = golden::first_records();
  for (v1::Record& record : golden::last_records()) expected.push_back(record);
  std::vector<v1::Record> found;
  ImageFile::open(path()).for_each_other([&](const RawRecord& raw) {
    found.push_back(parse_record(raw));
    return true;
  });
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    found[i].clear_sequence();
    found[i].clear_digest();
    EXPECT_TRUE(MessageDifferencer::Equals(found[i], expected[i])) << found[i].DebugString();
  }
}

TEST_P(Golden, HoldsTheSamePagesInTheSameBatches) {
  const ImageFile image = ImageFile::open(path());
  const auto source = image.stream();
  RecordReader reader(*source);
  PagesDecoder decoder;
  const auto batches = golden::batches();
  size_t at = 0;
  while (const auto record = reader.next()) {
    check_digest(*record);
    if (record->kind != v1::Record::kPages) continue;
    ASSERT_LT(at, batches.size());
    const PagesView view = decode_pages(*record, golden::kPfns);
    EXPECT_EQ(view.round, batches[at].round);
    EXPECT_EQ(view.runs, batches[at].runs);
    EXPECT_TRUE(std::ranges::equal(decoder.decompress(*record, view), batches[at].pages));
    ++at;
  }
  EXPECT_EQ(at, batches.size());
}

TEST_P(Golden, HasTheSameLastVersionOfEveryPfn) {
  struct Page {
    v1::PageKind kind;
    Bytes bytes;
  };
  std::map<uint64_t, Page> expected;
  for (const test::Batch& batch : golden::batches()) {
    auto data = batch.pages.begin();
    for (const PageRun& run : batch.runs)
      for (uint64_t pfn = run.first.raw(); pfn < (run.first + run.count).raw(); ++pfn) {
        const auto end = data + (has_data(run.kind) ? kPageSize : 0);
        expected[pfn] = {run.kind, Bytes(data, end)};
        data = end;
      }
  }
  const ImageFile image = ImageFile::open(path());
  ASSERT_EQ(image.parts(), 2u);
  for (uint64_t pfn = 0, part = 0; part < 2; ++part)
    for (const PageEntry& entry : image.read_part(part)) {
      const auto page = expected.find(pfn);
      ASSERT_EQ(entry.mentioned, page != expected.end()) << pfn;
      if (entry.mentioned) {
        EXPECT_EQ(entry.kind, page->second.kind) << pfn;
        Bytes bytes(kPageSize);
        if (!image.read_page(pfn_t(pfn), std::span<std::byte, kPageSize>(bytes))) bytes.clear();
        EXPECT_EQ(bytes, page->second.bytes) << pfn;
      }
      ++pfn;
    }
}

INSTANTIATE_TEST_SUITE_P(Version1, Golden, testing::Values("v1.0-bare.ferry", "v1.0-in-xl.xlsave"));

TEST(GoldenInXl, HasItsConfig) {
  const ImageFile image = ImageFile::open(std::string(FERRY_GOLDEN) + "/v1.0-in-xl.xlsave");
  const ImagePlace& place = image.place();
  EXPECT_TRUE(place.in_xl_file);
  EXPECT_EQ(place.xl_config, golden::kXlConfig);
  EXPECT_EQ(place.xl_flags, kXlFlagJson | kXlFlagStreamV2);
}

}  // namespace
}  // namespace ferry
