// The hand-made code for Pages against the generated classes, and hostile Pages.
#include "proto/pages.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "error/error.h"
#include "proto/wire.h"
#include "tests/proto/arbitrary.h"

namespace ferry {
namespace {

constexpr uint64_t kPfns = uint64_t{1} << 40;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string unpacked(const v1::Pages& pages) {
  if (pages.codec() == v1::RAW) return pages.data();
  std::string out(pages.raw_bytes(), '\0');
  const size_t n =
      ZSTD_decompress(out.data(), out.size(), pages.data().data(), pages.data().size());
  return n == out.size() ? out : "not decompressed";
}

// The message that means this batch, made with the generated classes.
v1::Record message_of(const test::Batch& batch, bool compressed) {
  v1::Record record;
  v1::Pages& pages = *record.mutable_pages();
  pages.set_round(batch.round);
  pfn_t next;
  for (const PageRun& run : batch.runs) {
    pages.add_runs(run.first - next);
    pages.add_runs(run.count);
    pages.add_runs(static_cast<uint64_t>(run.kind));
    next = run.first + run.count;
  }
  pages.set_raw_bytes(static_cast<uint32_t>(batch.pages.size()));
  std::string frame(ZSTD_compressBound(batch.pages.size()), '\0');
  frame.resize(
      ZSTD_compress(frame.data(), frame.size(), batch.pages.data(), batch.pages.size(), 3));
  const bool smaller = compressed && frame.size() < batch.pages.size();
  pages.set_codec(smaller ? v1::ZSTD : v1::RAW);
  pages.set_data(smaller ? frame : text_of(batch.pages));
  return record;
}

RawRecord framed(const v1::Record& record) {
  return frame_record(encode_record(record), 0, 0);
}

std::string refusal(const v1::Record& record, uint64_t nr_pfns = kPfns) {
  try {
    const RawRecord raw = framed(record);
    const PagesView view = decode_pages(raw, nr_pfns);
    PagesDecoder().decompress(raw, view);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image);
    return error.what();
  }
  return "";
}

v1::Record record_of(std::initializer_list<uint64_t> runs, size_t pages) {
  v1::Record record;
  for (const uint64_t n : runs) record.mutable_pages()->add_runs(n);
  record.mutable_pages()->set_raw_bytes(static_cast<uint32_t>(pages * kPageSize));
  record.mutable_pages()->set_data(std::string(pages * kPageSize, 'p'));
  return record;
}

// Streams do not have to state their size; ours do.
std::string frame_without_size(const Bytes& pages) {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
  std::string frame(ZSTD_compressBound(pages.size()), '\0');
  frame.resize(ZSTD_compress2(zstd, frame.data(), frame.size(), pages.data(), pages.size()));
  ZSTD_freeCCtx(zstd);
  return frame;
}

TEST(Pages, WhatTheHandWritesTheGeneratedClassesRead) {
  EXPECT_TRUE(rc::check([] {
    const test::Batch batch = test::arbitrary_batch(kPfns);
    const auto sequence = test::arbitrary_number();
    PagesEncoder encoder(*rc::gen::inRange(-3, 6));
    const RawRecord raw =
        frame_record(encoder.encode(sequence, batch.round, batch.runs, batch.pages), sequence, 0);
    check_digest(raw);
    const v1::Record record = parse_record(raw);
    const v1::Record expected = message_of(batch, false);
    RC_ASSERT(record.sequence() == sequence);
    RC_ASSERT(record.pages().round() == batch.round);
    RC_ASSERT(std::ranges::equal(record.pages().runs(), expected.pages().runs()));
    RC_ASSERT(record.pages().raw_bytes() == batch.pages.size());
    RC_ASSERT(unpacked(record.pages()) == text_of(batch.pages));
    RC_ASSERT(v1::Pages::GetReflection()->GetUnknownFields(record.pages()).empty());
  }));
}

TEST(Pages, WhatTheGeneratedClassesWriteTheHandReads) {
  EXPECT_TRUE(rc::check([] {
    const test::Batch batch = test::arbitrary_batch(kPfns);
    const RawRecord raw = framed(message_of(batch, *rc::gen::arbitrary<bool>()));
    const PagesView view = decode_pages(raw, kPfns);
    PagesDecoder decoder;
    RC_ASSERT(view.round == batch.round);
    RC_ASSERT(view.runs == batch.runs);
    RC_ASSERT(std::ranges::equal(decoder.decompress(raw, view), batch.pages));
  }));
}

TEST(Pages, FieldsInAnotherOrderUnpackedOrUnknownAreRead) {
  const Bytes page = test::page_bytes(1);
  Bytes body;
  const auto put_bytes = [&](unsigned field, std::span<const std::byte> bytes) {
    wire::put_tag(body, field, wire::kLength);
    wire::put_varint(body, bytes.size());
    body.insert(body.end(), bytes.begin(), bytes.end());
  };
  const auto put_number = [&](unsigned field, uint64_t number) {
    wire::put_tag(body, field, wire::kVarint);
    wire::put_varint(body, number);
  };
  put_bytes(5, page);  // data comes first
  put_bytes(500, page);
  put_number(501, UINT64_MAX);
  wire::put_tag(body, 502, wire::kFixed64);
  wire::put_fixed(body, uint64_t{1});
  wire::put_tag(body, 503, wire::kFixed32);
  wire::put_fixed(body, uint32_t{1});
  for (const uint64_t n : {3, 1, 0, 2}) put_number(2, n);  // runs one by one
  put_bytes(2, Bytes{std::byte{2}, std::byte{16}});        // and packed
  put_number(4, kPageSize);
  const RawRecord raw = frame_record(test::record_with_body(8, body), 0, 0);
  const PagesView view = decode_pages(raw, kPfns);
  EXPECT_EQ(view.runs, (std::vector<PageRun>{{pfn_t(3), 1, v1::DATA}, {pfn_t(6), 2, v1::ZERO}}));
  EXPECT_TRUE(std::ranges::equal(view.data, page));
  const v1::Record parsed = parse_record(raw);
  EXPECT_EQ(std::vector<uint64_t>(parsed.pages().runs().begin(), parsed.pages().runs().end()),
            (std::vector<uint64_t>{3, 1, 0, 2, 2, 16}));
}

TEST(Pages, ThatZstdCannotMakeSmallerStayRaw) {
  test::Batch batch;
  for (uint64_t i = 0; i < 4; ++i) batch.add(i, v1::DATA, i, false);
  const Bytes bytes = PagesEncoder(3).encode(5, 0, batch.runs, batch.pages);
  EXPECT_EQ(bytes, PagesEncoder(0).encode(5, 0, batch.runs, batch.pages));
  EXPECT_EQ(decode_pages(frame_record(bytes, 5, 0), 4).codec, v1::RAW);
}

TEST(Pages, RawOnesAreNotCopied) {
  test::Batch batch;
  batch.add(1, v1::DATA, 1);
  const RawRecord raw = frame_record(PagesEncoder(0).encode(5, 0, batch.runs, batch.pages), 5, 0);
  const auto pages = PagesDecoder().decompress(raw, decode_pages(raw, 4));
  EXPECT_GE(pages.data(), raw.bytes.data());
  EXPECT_LT(pages.data(), raw.bytes.data() + raw.bytes.size());
}

TEST(Pages, RunsBeyondTheGuestOrTheLimitsAreRefused) {
  EXPECT_EQ(refusal(record_of({0, 10, v1::ZERO}, 0), 10), "");
  EXPECT_NE(refusal(record_of({0, 10, v1::ZERO}, 0), 9), "");
  EXPECT_NE(refusal(record_of({10, 1, v1::ZERO}, 0), 10), "");
  EXPECT_NE(refusal(record_of({UINT64_MAX, 1, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({1, UINT64_MAX, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({1, UINT64_MAX - 1, v1::ZERO, 1, 1, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({0, 0, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({0, 1}, 0)), "");
  EXPECT_EQ(refusal(record_of({0, kMaxPfnsPerRecord, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({0, kMaxPfnsPerRecord + 1, v1::ZERO}, 0)), "");
  EXPECT_NE(refusal(record_of({0, kMaxPfnsPerRecord, v1::ZERO, 0, 1, v1::ABSENT}, 0)), "");
  EXPECT_EQ(refusal(record_of({0, kMaxPagesPerRecord, v1::DATA}, kMaxPagesPerRecord)), "");
  EXPECT_NE(refusal(record_of({0, kMaxPagesPerRecord + 1, v1::DATA}, kMaxPagesPerRecord + 1)), "");
  for (const uint64_t kind : {5, 8, 13, 14, 18, 100})
    EXPECT_NE(refusal(record_of({0, 1, kind}, 0)), "") << kind;
  EXPECT_NE(refusal(record_of({0, 1, uint64_t{1} << 32}, 1)), "");
}

TEST(Pages, SizesThatDoNotFitAreRefused) {
  EXPECT_EQ(refusal(record_of({0, 2, v1::L1}, 2)), "");
  EXPECT_NE(refusal(record_of({0, 2, v1::L1}, 1)), "");
  EXPECT_NE(refusal(record_of({0, 2, v1::L1}, 3)), "");
  v1::Record record = record_of({0, 2, v1::L1}, 2);
  record.mutable_pages()->mutable_data()->pop_back();
  EXPECT_NE(refusal(record), "");
  record.mutable_pages()->set_codec(v1::ZSTD);
  EXPECT_NE(refusal(record), "");
  record.mutable_pages()->clear_data();
  EXPECT_NE(refusal(record), "");
  record = record_of({0, 2, v1::L1}, 2);
  record.mutable_pages()->set_codec(static_cast<v1::Codec>(2));
  EXPECT_NE(refusal(record), "");
}

TEST(Pages, OnlyOneZstdFrameOfExactlyTheStatedSizeIsDecompressed) {
  test::Batch batch, longer;
  for (uint64_t i = 0; i < 8; ++i) batch.add(i, v1::DATA, i);
  for (uint64_t i = 0; i < 9; ++i) longer.add(i, v1::DATA, i);
  const v1::Record good = message_of(batch, true);
  const std::string frame = good.pages().data();
  EXPECT_EQ(refusal(good), "");
  const auto with = [&](const std::string& data) {
    v1::Record record = good;
    record.mutable_pages()->set_data(data);
    return refusal(record);
  };
  EXPECT_NE(with(frame + '\0'), "");
  EXPECT_NE(with(frame.substr(0, frame.size() - 1)), "");
  EXPECT_NE(with(message_of(longer, true).pages().data()), "");
  const std::string empty("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 9);
  const std::string skippable("\x50\x2a\x4d\x18\x00\x00\x00\x00", 8);
  EXPECT_NE(with(frame + empty), "");
  EXPECT_NE(with(skippable + frame), "");
  EXPECT_NE(with(skippable), "");
  EXPECT_NE(with(std::string(100, 'x')), "");
  EXPECT_NE(with(frame_without_size(batch.pages)), "");
}

TEST(Pages, DamagedCompressedDataIsRefusedOrStillOfTheRightSize) {
  test::Batch batch;
  for (uint64_t i = 0; i < 8; ++i) batch.add(i, v1::DATA, i);
  const v1::Record good = message_of(batch, true);
  EXPECT_TRUE(rc::check([&] {
    v1::Record record = good;
    std::string& data = *record.mutable_pages()->mutable_data();
    for (int i = *rc::gen::inRange(1, 5); i > 0; --i)
      data[*rc::gen::inRange<size_t>(0, data.size())] = *rc::gen::arbitrary<char>();
    const RawRecord raw = framed(record);
    const PagesView view = decode_pages(raw, kPfns);
    try {
      PagesDecoder decoder;
      RC_ASSERT(decoder.decompress(raw, view).size() == batch.pages.size());
    } catch (const Error& error) {
      RC_ASSERT(error.code() == Errc::bad_image);
    }
  }));
}

TEST(Pages, AnyBytesAsABodyAreReadOrRefused) {
  EXPECT_TRUE(rc::check([] {
    const auto body = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
        {{3, rc::gen::element('\x08', '\x12', '\x18', '\x20', '\x2a', '\x01', '\x02', '\x00')},
         {1, rc::gen::arbitrary<char>()}}));
    RawRecord raw;
    raw.kind = v1::Record::kPages;
    const auto bytes = std::as_bytes(std::span(body));
    raw.bytes.assign(bytes.begin(), bytes.end());
    raw.body_bytes = body.size();
    try {
      decode_pages(raw, 1000);
    } catch (const Error& error) {
      RC_ASSERT(error.code() == Errc::bad_image);
    }
  }));
}

TEST(Pages, AnEncoderDoesNotWriteWhatADecoderRefuses) {
  PagesEncoder encoder(1);
  const Bytes page = test::page_bytes(1);
  const auto encode = [&](std::vector<PageRun> runs, const Bytes& pages) {
    encoder.encode(1, 0, runs, pages);
  };
  EXPECT_NO_THROW(encode({{pfn_t(5), 1, v1::DATA}}, page));
  EXPECT_THROW(encode({{pfn_t(5), 2, v1::DATA}}, page), Error);
  EXPECT_THROW(encode({{pfn_t(5), 1, v1::ZERO}}, page), Error);
  EXPECT_THROW(encode({{pfn_t(5), 0, v1::ZERO}}, {}), Error);
  EXPECT_THROW(encode({{pfn_t(5), 1, v1::ZERO}, {pfn_t(5), 1, v1::ZERO}}, {}), Error);
  EXPECT_THROW(encode({{pfn_t(5), 1, v1::ZERO}, {pfn_t(4), 1, v1::ZERO}}, {}), Error);
  EXPECT_THROW(encode({{pfn_t(5), kMaxPfnsPerRecord + 1, v1::ZERO}}, {}), Error);
  EXPECT_THROW(encode({{pfn_t(5), kMaxPagesPerRecord + 1, v1::DATA}},
                      Bytes((kMaxPagesPerRecord + 1) * kPageSize)),
               Error);
}

// Page by page into memory that is used again.
std::span<const std::byte> encode_into(RecordBuffer& buffer, PagesEncoder& encoder,
                                       const test::Batch& batch) {
  encoder.begin(buffer, 5, batch.round, batch.runs);
  for (size_t at = 0; at < batch.pages.size(); at += kPageSize) {
    std::memcpy(encoder.place(), &batch.pages[at], kPageSize);
    encoder.added();
  }
  encoder.finish();
  return buffer.record();
}

TEST(Pages, WhatWasInABufferBeforeDoesNotMatter) {
  EXPECT_TRUE(rc::check([] {
    const int level = *rc::gen::inRange(-1, 4);
    PagesEncoder encoder(level);
    RecordBuffer buffer;
    for (int i = 0; i < 3; ++i) {
      const test::Batch batch = test::arbitrary_batch(kPfns);
      const auto record = encode_into(buffer, encoder, batch);
      const Bytes alone = PagesEncoder(level).encode(5, batch.round, batch.runs, batch.pages);
      RC_ASSERT(std::ranges::equal(record, alone));
    }
  }));
}

TEST(Pages, ABufferIsNeitherMovedNorGivenBackBetweenRecords) {
  for (const int level : {0, 1}) {
    PagesEncoder encoder(level);
    RecordBuffer buffer;
    test::Batch large, small;
    for (uint64_t i = 0; i < 200; ++i) large.add(i, v1::DATA, i, true);
    small.add(7, v1::DATA, 1, true);
    encode_into(buffer, encoder, large);
    const std::byte* const there = encode_into(buffer, encoder, small).data();
    for (int i = 0; i < 10; ++i) {
      encode_into(buffer, encoder, large);
      EXPECT_EQ(encode_into(buffer, encoder, small).data(), there) << level;
    }
  }
}

TEST(Pages, MoreOrFewerThanTheRunsSayAreRefused) {
  for (const int level : {0, 1}) {
    PagesEncoder encoder(level);
    RecordBuffer buffer;
    const std::vector<PageRun> runs{{pfn_t(5), 2, v1::DATA}};
    encoder.begin(buffer, 1, 0, runs);
    std::memset(encoder.place(), 1, kPageSize);
    encoder.added();
    EXPECT_THROW(encoder.finish(), Error);
    std::memset(encoder.place(), 1, kPageSize);
    encoder.added();
    EXPECT_THROW(encoder.place(), Error);
    EXPECT_THROW(encoder.added(), Error);
  }
}

// 512 pages, each of noise but for every period-th, which repeats itself.
test::Batch noise_with(uint64_t period) {
  test::Batch batch;
  for (uint64_t i = 0; i < 512; ++i) batch.add(i, v1::DATA, i, i % period == 1);
  return batch;
}

v1::Codec codec_of(const test::Batch& batch, int level) {
  const Bytes bytes = PagesEncoder(level).encode(5, 0, batch.runs, batch.pages);
  return decode_pages(frame_record(bytes, 5, 0), 512).codec;
}

TEST(Pages, NoiseIsRawAndSomeSenseWithinIsFound) {
  for (const int level : {1, 2, 3, 9}) {
    EXPECT_EQ(codec_of(noise_with(1000), level), v1::RAW);
    for (const uint64_t period : {2u, 7u, 16u, 100u, 128u})
      EXPECT_EQ(codec_of(noise_with(period), level), v1::ZSTD) << level << " " << period;
  }
}

TEST(Pages, AppendingGrowsTheLastRunWhereItFits) {
  std::vector<PageRun> runs;
  append_page(runs, pfn_t(4), v1::DATA);
  append_page(runs, pfn_t(5), v1::DATA);
  append_page(runs, pfn_t(6), v1::ZERO);
  append_page(runs, pfn_t(8), v1::ZERO);
  EXPECT_EQ(runs, (std::vector<PageRun>{
                      {pfn_t(4), 2, v1::DATA}, {pfn_t(6), 1, v1::ZERO}, {pfn_t(8), 1, v1::ZERO}}));
}

TEST(Pages, KindsAreWhatXenAndTheirNamesSay) {
  for (const int number : test::kPageKinds) {
    const auto kind = static_cast<v1::PageKind>(number);
    EXPECT_EQ(has_data(kind), number != 15 && number != 16);
    EXPECT_EQ(is_pinned(kind), number >= 9 && number <= 12);
    EXPECT_EQ(is_page_table(kind), (number & 7) >= 1 && (number & 7) <= 4 && number < 13);
    EXPECT_EQ(table_level(kind), is_page_table(kind) ? number & 7 : 0);
    EXPECT_STRNE(kind_name(kind), "unknown");
  }
}

}  // namespace
}  // namespace ferry
