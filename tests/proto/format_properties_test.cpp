// The ten properties that docs/format.md promises, each with a test of its name. Where a property
// has more to it, the other files of this folder go deeper.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <set>
#include <thread>

#include "error/error.h"
#include "pipeline/pipeline.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "proto/wire.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using google::protobuf::util::MessageDifferencer;
using test::TempFile;
using testing::HasSubstr;

TEST(FormatProperty, P1_AWholeImageIsOneProtobufMessage) {
  const Bytes bytes = test::sample_image(1);
  v1::Image image;
  ASSERT_TRUE(image.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  const auto records = test::read_records(bytes);
  ASSERT_EQ(image.record_size(), static_cast<int>(records.size()));
  for (int i = 0; i < image.record_size(); ++i)
    EXPECT_TRUE(
        MessageDifferencer::Equals(image.record(i), parse_record(records[static_cast<size_t>(i)])));
}

TEST(FormatProperty, P2_AnImageIsRecognisableByItsFirstBytes) {
  const Bytes one = test::sample_image(0), other = test::sample_image(9);
  EXPECT_TRUE(std::equal(one.begin(), one.begin() + kMagicRecord, other.begin()));
  EXPECT_TRUE(std::equal(one.begin(), one.begin() + kMagicRecord, magic_record().begin()));
  EXPECT_TRUE(looks_like_image(std::span(one).first(8)));
  EXPECT_FALSE(looks_like_image(Bytes(8, std::byte{0xff})));  // libxc's marker
  EXPECT_NE(one.front(), std::byte{0xff});
}

TEST(FormatProperty, P3_AnImageDelimitsItself) {
  // In a pipe that stays open, with more behind: the reader stops by itself at the right byte.
  const Bytes image = test::sample_image(1);
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  std::thread writer([&] {
    FdSink sink(fds[1], "pipe");
    sink.write(image);
    sink.write(image);
  });
  FdSource source(fds[0], "pipe");
  for (int n = 0; n < 2; ++n) test::read_stream(source);
  writer.join();
  ::close(fds[1]);
  Bytes nothing(1);
  EXPECT_EQ(source.read(nothing), 0u);
  ::close(fds[0]);
}

TEST(FormatProperty, P4_EveryByteIsCovered) {
  // damage_test.cpp flips every bit and tries every truncation and every exchange of records.
  Bytes image = test::sample_image(1);
  const auto records = test::read_records(image);
  const RawRecord& pages = records[6];
  ASSERT_EQ(pages.kind, v1::Record::kPages);
  image[pages.offset + pages.body_at + 100] ^= std::byte{4};
  try {
    test::read_stream(image);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("record 6 at byte {}", pages.offset)));
  }
}

TEST(FormatProperty, P5_AnImageIsWrittenToAPipeAndReadAtAnyPlace) {
  // A sink can only write, so writing does not seek. Offsets count from the image's first byte,
  // wherever in a file that is.
  const Bytes image = test::sample_image(1);
  for (const size_t config : {0u, 1u, 1000u}) {
    const TempFile file(test::join({encode_xl_header({kXlFlagStreamV2, std::string(config, 'c')}),
                                    image, encode_libxl_end()}));
    const ImageFile opened = ImageFile::open(file.path());
    for (const RawRecord& record : test::read_records(image))
      EXPECT_EQ(opened.read_record(record.offset).bytes, record.bytes);
    EXPECT_EQ(opened.end().bytes(), image.size());
    EXPECT_EQ(opened.read_record(opened.end().index_root_offset()).kind, v1::Record::kIndexRoot);
  }
}

// nr_pfns pfns, of which each 1000th part of the index has one page and some zero pages.
void write_sparse_guest(ByteSink& sink, uint64_t nr_pfns) {
  RecordWriter writer(sink, nr_pfns);
  v1::Record record;
  *record.mutable_head() = test::sample_head(nr_pfns);
  writer.write(record);
  PagesEncoder encoder(1);
  for (uint64_t pfn = 77; pfn < nr_pfns; pfn += 1000 * kPfnsPerIndexPart) {
    test::Batch batch;
    batch.add(pfn, v1::DATA, pfn);
    batch.runs.push_back({pfn_t(pfn + 1), 5000, v1::ZERO});
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, batch.runs, batch.pages),
                       batch.runs);
  }
  writer.finish();
}

// Of this thread: a busy machine does not count.
double cpu_seconds() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TEST(FormatProperty, P6_RecordsStaySmallForAGuestOf1TiB) {
  // memory_test.cpp measures what readers and writers allocate.
  constexpr uint64_t kPfns = uint64_t{1} << 28;
  MemorySink sink;
  write_sparse_guest(sink, kPfns);
  const TempFile file(sink.bytes());
  size_t largest = 0;
  for (const RawRecord& record : test::read_records(sink.bytes()))
    largest = std::max(largest, record.bytes.size());
  EXPECT_LE(largest, 64u << 10);

  // The head, what there is and how much of each kind come without reading the index's parts.
  const auto start = cpu_seconds();
  const ImageFile image = ImageFile::open(file.path());
  EXPECT_LT(cpu_seconds() - start, 0.05);
  EXPECT_EQ(image.parts(), 4096u);
  EXPECT_FALSE(image.read_part(4095)[65535].mentioned);
  const auto part = image.read_part(4000);
  EXPECT_FALSE(part[76].mentioned);
  EXPECT_EQ(part[77].kind, v1::DATA);
  EXPECT_EQ(part[78].kind, v1::ZERO);
  Bytes page(kPageSize);
  EXPECT_TRUE(
      image.read_page(pfn_t(4000 * kPfnsPerIndexPart + 77), std::span<std::byte, kPageSize>(page)));
  EXPECT_EQ(page, test::page_bytes(4000 * kPfnsPerIndexPart + 77));
}

TEST(FormatProperty, P7_ZeroAbsentUnmentionedAndDataAreFourThings) {
  const TempFile file(test::sample_image(1));
  const ImageFile image = ImageFile::open(file.path());
  const auto part = image.read_part(0);
  EXPECT_TRUE(part[40].mentioned && part[40].kind == v1::ZERO);
  EXPECT_TRUE(part[63].mentioned && part[63].kind == v1::ABSENT);
  EXPECT_FALSE(part[50].mentioned);
  EXPECT_TRUE(part[30].mentioned && part[30].kind == v1::DATA);
  Bytes page(kPageSize);
  const std::span<std::byte, kPageSize> out(page);
  EXPECT_FALSE(image.read_page(pfn_t(40), out));
  EXPECT_FALSE(image.read_page(pfn_t(63), out));
  EXPECT_FALSE(image.read_page(pfn_t(50), out));
  EXPECT_TRUE(image.read_page(pfn_t(30), out));
  // And the last version counts: pfn 2 was data and became zero, pfn 17 came back.
  EXPECT_EQ(part[2].kind, v1::ZERO);
  EXPECT_EQ(part[17].kind, v1::DATA);
}

// Appends a field that no reader knows to a record's body.
Bytes with_unknown_field(const RawRecord& record) {
  Bytes body(record.body().begin(), record.body().end());
  wire::put_tag(body, 777, wire::kLength);
  wire::put_varint(body, 3);
  body.insert(body.end(), 3, std::byte{'?'});
  return test::record_with_body(record.kind, body, record.sequence);
}

TEST(FormatProperty, P8_UnknownFieldsAndRecordsAreSkippedUnknownFeaturesRefused) {
  // golden_test.cpp reads the images of every version so far.
  for (const RawRecord& record : test::read_records(test::sample_image(1))) {
    const RawRecord later = frame_record(with_unknown_field(record), record.sequence, 0);
    v1::Record parsed = parse_record(later), before = parse_record(record);
    parsed.DiscardUnknownFields();
    parsed.clear_digest();
    before.clear_digest();
    EXPECT_TRUE(MessageDifferencer::Equals(parsed, before)) << record.kind;
    if (record.kind != v1::Record::kPages) continue;
    PagesDecoder decoder, other;
    const PagesView view = decode_pages(later, test::kSamplePfns);
    EXPECT_TRUE(
        std::ranges::equal(decoder.decompress(later, view),
                           other.decompress(record, decode_pages(record, test::kSamplePfns))));
  }
  const RawRecord unknown = frame_record(test::record_with_body(29, Bytes(10)), 0, 0);
  EXPECT_EQ(unknown.kind, 29u);  // passed on with its kind, for its user to skip
  v1::Head head = test::sample_head(8);
  head.add_required_features("time-travel");
  try {
    check_head(head);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("\"time-travel\""));
  }
}

// Encodes batches on any thread, writes them in order.
class EncodeJob final : public Job {
 public:
  EncodeJob(RecordWriter& writer, const test::Batch& batch)
      : writer_(writer), batch_(batch), sequence_(writer.next_sequence()) {}

  void work() override {
    thread_local PagesEncoder encoder(3);
    record_ = encoder.encode(sequence_, batch_.round, batch_.runs, batch_.pages);
  }
  void consume() override { writer_.write_pages(record_, batch_.runs); }

 private:
  RecordWriter& writer_;
  const test::Batch& batch_;
  uint64_t sequence_;
  Bytes record_;
};

Bytes image_by(unsigned threads, const std::vector<test::Batch>& batches) {
  MemorySink sink;
  RecordWriter writer(sink, 10000);
  v1::Record record;
  *record.mutable_head() = test::sample_head(10000);
  writer.write(record);
  size_t next = 0;
  make_thread_executor(threads)->run([&]() -> std::unique_ptr<Job> {
    if (next == batches.size()) return nullptr;
    return std::make_unique<EncodeJob>(writer, batches[next++]);
  });
  writer.finish();
  return sink.bytes();
}

TEST(FormatProperty, P9_TheSamePagesGiveTheSameBytesWithAnyNumberOfThreads) {
  std::vector<test::Batch> batches(40);
  uint64_t pfn = 0;
  for (test::Batch& batch : batches)
    for (uint64_t i = 0; i < 1 + pfn % 7; ++i, ++pfn)
      batch.add(pfn, v1::DATA, pfn * pfn % 91, pfn % 5 != 0);
  const Bytes expected = image_by(1, batches);
  for (const unsigned threads : {1u, 2u, 4u, 8u}) EXPECT_EQ(image_by(threads, batches), expected);
}

// 256 pages of what really is in memory: this program.
Bytes pages_of_this_program(size_t skip) {
  Bytes pages(256 * kPageSize);
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(::pread(fd, pages.data(), pages.size(), static_cast<off_t>(skip)),
            static_cast<ssize_t>(pages.size()));
  ::close(fd);
  return pages;
}

TEST(FormatProperty, P9_WhatAnEncoderDidBeforeDoesNotMatter) {
  const std::vector<PageRun> all{{pfn_t(0), 256, v1::DATA}};
  const Bytes pages = pages_of_this_program(300'000), others = pages_of_this_program(0);
  for (const int level : {-5, 0, 1, 3, 5, 7, 9}) {
    PagesEncoder used(level);
    const Bytes expected = PagesEncoder(level).encode(1, 0, all, pages);
    for (uint64_t n = 1; n <= 256; n *= 4) {
      const std::vector<PageRun> some{{pfn_t(0), n, v1::DATA}};
      used.encode(1, 0, some, std::span(others).first(n * kPageSize));
      EXPECT_EQ(used.encode(1, 0, all, pages), expected) << level;
    }
    for (const int other : {0, 6, 1}) {
      used.set_level(other);
      EXPECT_EQ(used.encode(1, 0, all, pages), PagesEncoder(other).encode(1, 0, all, pages));
      used.set_level(level);
      EXPECT_EQ(used.encode(1, 0, all, pages), expected) << level << " after " << other;
    }
  }
}

void collect_fields(const google::protobuf::Descriptor* message, std::set<std::string>& names) {
  for (int i = 0; i < message->field_count(); ++i) {
    names.insert(message->field(i)->name());
    if (message->field(i)->message_type()) collect_fields(message->field(i)->message_type(), names);
  }
}

TEST(FormatProperty, P10_TheSchemaHasNoPlaceForAFrameOfTheHost) {
  // That pages, contexts and shared_info name none either is tested where they are made.
  std::set<std::string> names;
  collect_fields(v1::Image::descriptor(), names);
  EXPECT_TRUE(names.contains("leaf_pfns"));
  for (const std::string& name : names)
    for (const char* word : {"mfn", "maddr", "machine", "cr3", "gfn", "m2p"})
      EXPECT_EQ(name.find(word), std::string::npos) << name;
}

}  // namespace
}  // namespace ferry
