// What hostile lengths make a reader allocate: no more than really arrived. This program counts
// everything that goes through operator new, so it is one of its own.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "error/error.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "proto/wire.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"

namespace {

std::atomic<size_t> in_use, peak;

}  // namespace

void* operator new(size_t bytes) {
  void* block = std::malloc(bytes);
  if (!block) throw std::bad_alloc();
  const size_t now = in_use += malloc_usable_size(block);
  for (size_t before = peak; before < now && !peak.compare_exchange_weak(before, now);) {
  }
  return block;
}

void operator delete(void* block) noexcept {
  if (block) in_use -= malloc_usable_size(block);
  std::free(block);
}

void operator delete(void* block, size_t) noexcept {
  operator delete(block);
}

namespace ferry {
namespace {

constexpr size_t kKiB = 1 << 10, kMiB = 1 << 20;

// The most that was allocated at once while work ran, beyond what was before.
template <typename Work>
size_t peak_of(Work work) {
  const size_t before = in_use;
  peak = before;
  work();
  return peak - before;
}

template <typename Work>
void expect_refused(Work work) {
  EXPECT_THROW(work(), Error);
}

TEST(Memory, ALengthMakesAReaderAllocateNoMoreThanArrived) {
  Bytes image = magic_record();
  image.push_back(std::byte{0x0a});
  image.resize(image.size() + wire::kPaddedLength);
  wire::put_padded(std::span(image).last(wire::kPaddedLength), kMaxRecord - kRecordPrefix);
  for (const size_t arrived : {size_t{0}, 10 * kKiB, 300 * kKiB, kMiB, 3 * kMiB}) {
    Bytes bytes = image;
    bytes.resize(image.size() + arrived);
    MemorySource source(bytes);
    EXPECT_LE(peak_of([&] { expect_refused([&] { test::read_stream(source); }); }),
              300 * kKiB + 4 * arrived);  // a growing vector is copied, and may be twice as large
  }
}

TEST(Memory, RunsMakeADecoderAllocateNoMoreThanARecordCanMean) {
  // 6 MiB of runs of nothing, of one pfn each, and of the same pfn.
  for (const auto& run : {std::array{0, 0, 16}, std::array{0, 1, 16}, std::array{0, 1, 0}}) {
    v1::Record record;
    for (int i = 0; i < 1'500'000; ++i)
      for (const int n : run) record.mutable_pages()->add_runs(static_cast<uint64_t>(n));
    const RawRecord raw = frame_record(encode_record(record), 0, 0);
    EXPECT_LE(peak_of([&] { expect_refused([&] { decode_pages(raw, uint64_t{1} << 32); }); }),
              5 * kMiB);
  }
}

TEST(Memory, ADecodedMessageIsAtMost8TimesItsRecord) {
  v1::Record record;
  for (int i = 0; i < 500'000; ++i) record.mutable_index_part()->add_runs(1);
  const RawRecord raw = frame_record(encode_record(record), 0, 0);
  record.Clear();
  EXPECT_LE(peak_of([&] { parse_record(raw); }), 17 * raw.bytes.size());  // while it is growing
}

TEST(Memory, AFrameThatClaimsToBeLargeIsNotDecompressed) {
  v1::Record record;
  v1::Pages& pages = *record.mutable_pages();
  for (const uint64_t n : {0, 2, 0}) pages.add_runs(n);
  pages.set_codec(v1::ZSTD);
  pages.set_raw_bytes(2 * kPageSize);
  // One RLE block after a header that says: 1 GiB, in one segment.
  pages.set_data(std::string("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x40\x03\x00\x10\x61", 13));
  const RawRecord raw = frame_record(encode_record(record), 0, 0);
  const PagesView view = decode_pages(raw, 8);
  PagesDecoder decoder;
  EXPECT_LE(peak_of([&] { expect_refused([&] { decoder.decompress(raw, view); }); }), 16 * kKiB);
}

TEST(Memory, TheLengthOfAConfigIsNotBelieved) {
  Bytes header = encode_xl_header({kXlFlagStreamV2, "{}"});
  for (const uint32_t claimed : {16u << 20, UINT32_MAX}) {
    std::memcpy(&header[44], &claimed, sizeof claimed);
    MemorySource source(header);
    EXPECT_LE(peak_of([&] { expect_refused([&] { read_xl_header(source); }); }), 600 * kKiB);
  }
}

TEST(Memory, AnIndexOf1TiBThatIsMostlyUnmentionedIsSmall) {
  constexpr uint64_t kPfns = uint64_t{1} << 28;
  class NullSink final : public ByteSink {
    void write(std::span<const std::byte>) override {}
  } sink;
  const size_t used = peak_of([&] {
    RecordWriter writer(sink, kPfns);
    for (uint64_t pfn = 0; pfn < kPfns; pfn += 512 * kPfnsPerIndexPart) {
      const std::vector<PageRun> runs{{pfn_t(pfn), 1, v1::ZERO}};
      writer.write_pages(PagesEncoder(0).encode(writer.next_sequence(), 0, runs, {}), runs);
    }
    writer.finish();
  });
  EXPECT_LE(used, 8 * 330 * kKiB + kMiB);
}

TEST(Memory, AnIndexTakesFiveBytesAPfn) {
  constexpr uint64_t kPfns = 16 * kPfnsPerIndexPart;
  MemorySink sink;
  RecordWriter writer(sink, kPfns);
  const size_t before = in_use;
  for (uint64_t pfn = 0; pfn < kPfns; pfn += kMaxPfnsPerRecord) {
    const std::vector<PageRun> runs{{pfn_t(pfn), kMaxPfnsPerRecord, v1::ABSENT}};
    writer.write_pages(PagesEncoder(0).encode(writer.next_sequence(), 0, runs, {}), runs);
  }
  EXPECT_LE(in_use - before, 5 * kPfns + 64 * kKiB);
}

}  // namespace
}  // namespace ferry
