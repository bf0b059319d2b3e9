// An image of 1 GiB is still one protobuf message that the generated classes decode whole.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>
#include <random>

#include "proto/record_writer.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

constexpr uint64_t kPfns = 262144;  // 1 GiB
constexpr uint64_t kBatch = 256;

// No two pages alike, and none compressible.
void fill_pages(std::span<std::byte> pages, uint64_t first_pfn) {
  std::mt19937_64 random(first_pfn);
  for (size_t at = 0; at < pages.size(); at += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(&pages[at], &word, sizeof word);
  }
}

TEST(LargeImage, OfOneGibibyteIsDecodedByTheGeneratedClasses) {
  const test::TempFile file;
  FdSink sink(file.fd(), file.path());
  RecordWriter writer(sink, kPfns);
  v1::Record record;
  *record.mutable_head() = test::sample_head(kPfns);
  writer.write(record);
  PagesEncoder encoder(1);
  Bytes pages(kBatch * kPageSize);
  for (uint64_t pfn = 0; pfn < kPfns; pfn += kBatch) {
    fill_pages(pages, pfn);
    const std::vector<PageRun> runs{{pfn_t(pfn), kBatch, v1::DATA}};
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, runs, pages), runs);
  }
  writer.finish();
  ASSERT_GT(writer.bytes_written(), uint64_t{1} << 30);

  ASSERT_EQ(::lseek(file.fd(), 0, SEEK_SET), 0);
  google::protobuf::io::FileInputStream input(file.fd());
  google::protobuf::io::CodedInputStream coded(&input);
  coded.SetTotalBytesLimit(INT_MAX);
  v1::Image image;
  ASSERT_TRUE(image.ParseFromCodedStream(&coded));
  EXPECT_EQ(image.record(0).magic().major(), kFormatMajor);
  uint64_t pfn = 0;
  for (const v1::Record& each : image.record()) {
    if (!each.has_pages()) continue;
    fill_pages(pages, pfn);
    ASSERT_TRUE(std::ranges::equal(std::as_bytes(std::span(each.pages().data())), pages)) << pfn;
    pfn += kBatch;
  }
  EXPECT_EQ(pfn, kPfns);
  EXPECT_EQ(image.record(image.record_size() - 1).end().bytes(), writer.bytes_written());

  const ImageFile opened = ImageFile::open(file.path());
  test::read_stream(*opened.stream());
  Bytes page(kPageSize);
  EXPECT_TRUE(opened.read_page(pfn_t(kPfns - 1), std::span<std::byte, kPageSize>(page)));
  EXPECT_TRUE(std::ranges::equal(page, std::span(pages).last(kPageSize)));
}

}  // namespace
}  // namespace ferry
