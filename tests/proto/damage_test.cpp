// Nothing that is not the whole, unchanged image gets through a complete reading of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "error/error.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using test::TempFile;
using testing::HasSubstr;

// Sanitizers make every reading ten times slower, so they see a part of the cases.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStride = 13;
#else
constexpr size_t kStride = 1;
#endif

std::optional<std::string> refusal(const std::function<void()>& reading) {
  try {
    reading();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image) << error.what();
    return error.what();
  }
  return {};
}

// What restore does: all of it from front to back.
std::optional<std::string> stream_refusal(std::span<const std::byte> image) {
  return refusal([&] { test::read_stream(image); });
}

// What audit does: the file's End, index and head, then all of it.
std::optional<std::string> file_refusal(const TempFile& file) {
  return refusal([&] {
    const ImageFile image = ImageFile::open(file.path());
    test::read_stream(*image.stream());
  });
}

bool names_record(const std::string& what, uint64_t sequence) {
  const std::string name = fmt::format("record {}", sequence);
  const size_t at = what.find(name);
  return at != std::string::npos && !std::isdigit(what[at + name.size()]);
}

// A head, one page, one vCPU.
Bytes tiny_image() {
  MemorySink sink;
  RecordWriter writer(sink, 8);
  v1::Record record;
  *record.mutable_head() = test::sample_head(8);
  writer.write(record);
  test::Batch batch;
  batch.add(3, v1::L2_PINNED, 3);
  batch.add(4, v1::ZERO);
  writer.write_pages(PagesEncoder(1).encode(writer.next_sequence(), 0, batch.runs, batch.pages),
                     batch.runs);
  record.mutable_vcpu()->set_basic("context");
  writer.write(record);
  writer.finish();
  return sink.bytes();
}

std::vector<Bytes> records_of(const Bytes& image) {
  std::vector<Bytes> records;
  for (RawRecord& record : test::read_records(image)) records.push_back(std::move(record.bytes));
  return records;
}

TEST(Damage, TheImagesOfTheseTestsAreSoundAndSmall) {
  for (const Bytes& image : {tiny_image(), test::sample_image(1)}) {
    EXPECT_EQ(stream_refusal(image), std::nullopt);
    EXPECT_EQ(file_refusal(TempFile(image)), std::nullopt);
    EXPECT_LE(image.size(), 32u << 10);
  }
}

TEST(Damage, EveryFlippedBitIsRefusedNamingItsRecord) {
  Bytes image = test::sample_image(1);
  for (const RawRecord& record : test::read_records(image)) {
    for (size_t bit = 0; bit < 8 * record.bytes.size(); bit += kStride) {
      std::byte& byte = image[record.offset + bit / 8];
      const std::byte flip = std::byte{1} << (bit % 8);
      byte ^= flip;
      const auto what = stream_refusal(image);
      byte ^= flip;
      ASSERT_TRUE(what) << "bit " << bit << " of record " << record.sequence;
      ASSERT_TRUE(record.sequence == 0 || names_record(*what, record.sequence)) << *what;
    }
  }
}

TEST(Damage, EveryFlippedBitOfAFileIsRefused) {
  const Bytes image = tiny_image();
  TempFile file(image);
  for (size_t bit = 0; bit < 8 * image.size(); bit += kStride) {
    const std::byte damaged = image[bit / 8] ^ (std::byte{1} << (bit % 8));
    const auto at = static_cast<off_t>(bit / 8);
    ASSERT_EQ(::pwrite(file.fd(), &damaged, 1, at), 1);
    ASSERT_TRUE(file_refusal(file)) << "bit " << bit;
    ASSERT_EQ(::pwrite(file.fd(), &image[bit / 8], 1, at), 1);
  }
  EXPECT_EQ(file_refusal(file), std::nullopt);
}

TEST(Damage, EveryTruncationIsRefused) {
  const Bytes image = test::sample_image(1);
  const TempFile file(image);
  for (size_t bytes = image.size(); bytes-- > 0;) {
    if (bytes % kStride != 0) continue;
    ASSERT_TRUE(stream_refusal(std::span(image).first(bytes))) << bytes;
    ASSERT_EQ(::ftruncate(file.fd(), static_cast<off_t>(bytes)), 0);
    ASSERT_TRUE(file_refusal(file)) << bytes;
  }
}

TEST(Damage, EveryMissingRepeatedOrSwappedRecordIsRefused) {
  const auto records = records_of(test::sample_image(1));
  const auto expect_refused = [&](const std::vector<Bytes>& other, size_t at) {
    const Bytes image = test::join(other);
    const auto what = stream_refusal(image);
    ASSERT_TRUE(what) << at;
    EXPECT_TRUE(at == 0 || what->find("record ") != std::string::npos) << *what;
    ASSERT_TRUE(file_refusal(TempFile(image))) << at;
  };
  for (size_t i = 0; i < records.size(); ++i) {
    auto missing = records;
    missing.erase(missing.begin() + static_cast<ptrdiff_t>(i));
    expect_refused(missing, i);
    if (i + 1 == records.size()) break;  // what is behind End nobody reads from a stream
    auto repeated = records;
    repeated.insert(repeated.begin() + static_cast<ptrdiff_t>(i), records[i]);
    expect_refused(repeated, i);
    for (size_t j = i + 1; j < records.size(); ++j) {
      auto swapped = records;
      std::swap(swapped[i], swapped[j]);
      expect_refused(swapped, i);
    }
  }
}

TEST(Damage, ASoundRecordOfAnotherImageInItsPlaceIsRefusedByEnd) {
  const auto records = records_of(test::sample_image(1));
  v1::Record record = parse_record(frame_record(records[2], 2, 0));
  record.mutable_cpu_policy()->mutable_msrs()->front() ^= 1;
  auto mixed = records;
  mixed[2] = encode_record(record);
  ASSERT_EQ(mixed[2].size(), records[2].size());
  const auto what = stream_refusal(test::join(mixed));
  ASSERT_TRUE(what);
  EXPECT_THAT(*what, HasSubstr("the End, holds a wrong digest of the digests"));
}

}  // namespace
}  // namespace ferry
