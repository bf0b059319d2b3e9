// Framing: every kind of record, there and back, and the bytes that are promised.
#include "proto/record.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "error/error.h"
#include "proto/record_reader.h"
#include "proto/wire.h"
#include "tests/proto/arbitrary.h"

namespace ferry {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr int kFirstBody = 2, kLastBody = 15;

// Reframes a record whose bytes a test has changed: length and digest fit again.
Bytes resealed(Bytes record) {
  record.erase(record.end() - kDigestBytes - 3, record.end());
  seal_record(record);
  return record;
}

TEST(Record, EveryKindComesBackAsItWas) {
  for (int body = kFirstBody; body <= kLastBody; ++body) {
    EXPECT_TRUE(rc::check(v1::Record::descriptor()->FindFieldByNumber(body)->name(), [body] {
      const v1::Record record = test::arbitrary_record(body);
      const RawRecord raw = frame_record(encode_record(record), record.sequence(), 77);
      check_digest(raw);
      RC_ASSERT(raw.kind == static_cast<uint32_t>(body));
      v1::Record parsed = parse_record(raw);
      const Digest digest = raw.digest();
      RC_ASSERT(std::ranges::equal(std::as_bytes(std::span(parsed.digest())), digest));
      parsed.clear_digest();
      RC_ASSERT(MessageDifferencer::Equals(parsed, record));
    }));
  }
}

TEST(Record, TheFirst50BytesOfEveryImageAreTheseAndNoOthers) {
  const std::string hex =
      "0aac808080000900000000000000001"
      "20e094645525259494d471501000000fa0110";
  std::string found;
  for (size_t i = 0; i < kMagicRecord - kDigestBytes; ++i)
    found += fmt::format("{:02x}", magic_record()[i]);
  EXPECT_EQ(found, hex);
  EXPECT_EQ(magic_record().size(), kMagicRecord);
  EXPECT_EQ(fmt::format("{:02x}", fmt::join(std::span(magic_record()).last(kDigestBytes), "")),
            "0076840268a8211dfa9ddd8b980e8813");
}

TEST(Record, ALengthInAnyOtherThanThePaddedFormIsRefused) {
  v1::Record record;
  record.mutable_tsc()->set_khz(1);
  const Bytes good = encode_record(record);
  EXPECT_NO_THROW(frame_record(good, 0, 0));
  for (size_t at = 1; at <= 4; ++at) {  // the varint would end here
    Bytes bytes = good;
    bytes[at] &= std::byte{0x7f};
    EXPECT_THROW(frame_record(bytes, 0, 0), Error);
    EXPECT_THROW(record_length(bytes, 0, 0), Error);
  }
  Bytes bytes = good;
  bytes[5] |= std::byte{0x80};  // or go on
  EXPECT_THROW(record_length(bytes, 0, 0), Error);
}

TEST(Record, LengthsNoRecordCanHaveAreRefused) {
  const auto prefix = [](uint64_t whole) {
    Bytes bytes(kRecordPrefix, std::byte{0x0a});
    wire::put_padded(std::span(bytes).subspan(1), whole - kRecordPrefix);
    return bytes;
  };
  EXPECT_EQ(record_length(prefix(36), 0, 0), 36u);
  EXPECT_EQ(record_length(prefix(kMaxRecord), 0, 0), kMaxRecord);
  EXPECT_THROW(record_length(prefix(35), 0, 0), Error);
  EXPECT_THROW(record_length(prefix(kMaxRecord + 1), 0, 0), Error);
  EXPECT_THROW(record_length(prefix(uint64_t{1} << 34), 0, 0), Error);
  EXPECT_THROW(record_length(Bytes(5, std::byte{0x0a}), 0, 0), Error);
}

TEST(Record, AnythingBesideSequenceBodyAndDigestIsRefused) {
  v1::Record record;
  record.mutable_tsc()->set_khz(1);
  const Bytes good = encode_record(record);
  const size_t body_at = kRecordPrefix + 9;
  const auto with = [&](size_t at, std::initializer_list<int> inserted) {
    Bytes bytes = good;
    std::vector<std::byte> extra;
    for (const int byte : inserted) extra.push_back(std::byte(byte));
    bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), extra.begin(), extra.end());
    return resealed(bytes);
  };
  EXPECT_NO_THROW(frame_record(with(0, {}), 0, 0));
  EXPECT_THROW(frame_record(with(body_at, {0x4a, 0x00}), 0, 0), Error);  // a second body
  EXPECT_THROW(frame_record(with(kRecordPrefix, {0x09, 0, 0, 0, 0, 0, 0, 0, 0}), 0, 0), Error);
  EXPECT_THROW(frame_record(with(good.size() - 19, {0x00}), 0, 0), Error);
  EXPECT_THROW(frame_record(with(good.size() - 19, {0xfa, 0x01, 0x00}), 0, 0), Error);
  Bytes padded = with(body_at + 2, {0x80, 0x80, 0x80, 0x00});  // a length of 5 bytes is one
  padded[body_at + 1] |= std::byte{0x80};
  EXPECT_NO_THROW(parse_record(frame_record(resealed(padded), 0, 0)));
  padded = with(body_at + 2, {0x80, 0x80, 0x80, 0x80, 0x00});  // one of 6 bytes is not
  padded[body_at + 1] |= std::byte{0x80};
  EXPECT_THROW(frame_record(resealed(padded), 0, 0), Error);
  Bytes padded_tag = with(body_at + 1, {0x00});  // 4a becomes ca 00: another spelling of it
  padded_tag[body_at] |= std::byte{0x80};
  EXPECT_THROW(frame_record(resealed(padded_tag), 0, 0), Error);
  for (const int tag : {0x0a, 0x08, 0x48, 0x4d, 0x00}) {  // no body, or not of that wire type
    Bytes bytes = good;
    bytes[body_at] = std::byte(tag);
    EXPECT_THROW(frame_record(resealed(bytes), 0, 0), Error) << tag;
  }
}

TEST(Record, AKindOfALaterVersionIsFramedAndHasNoKnownBody) {
  for (const unsigned field : {16u, 30u}) {
    const RawRecord raw = frame_record(test::record_with_body(field, Bytes(5)), 0, 0);
    check_digest(raw);
    EXPECT_EQ(raw.kind, field);
    EXPECT_EQ(raw.body_bytes, 5u);
  }
}

TEST(Record, ABodyOfThousandsOfFieldsIsRefusedBeforeItIsDecoded) {
  v1::Record record;
  for (size_t i = 0; i < kMaxFields; ++i) record.mutable_head()->add_required_features("");
  EXPECT_NO_THROW(parse_record(frame_record(encode_record(record), 0, 0)));
  record.mutable_head()->add_required_features("");
  EXPECT_THROW(parse_record(frame_record(encode_record(record), 0, 0)), Error);
}

TEST(Record, ABodyOfTooManyNumbersIsRefusedBeforeItIsDecoded) {
  v1::Record record;
  record.mutable_populated()->mutable_runs()->Resize(kMaxNumbers, 200);
  EXPECT_NO_THROW(parse_record(frame_record(encode_record(record), 0, 0)));
  record.mutable_populated()->add_runs(1);
  EXPECT_THROW(parse_record(frame_record(encode_record(record), 0, 0)), Error);
  // The bytes of other fields are no numbers.
  record.mutable_config()->set_libxl_json(std::string(2 * kMaxNumbers, ' '));
  EXPECT_NO_THROW(parse_record(frame_record(encode_record(record), 0, 0)));
}

TEST(Record, OneWithoutABodyOrTooLargeIsNotWritten) {
  EXPECT_THROW(encode_record(v1::Record()), Error);
  v1::Record record;
  record.mutable_config()->set_libxl_json(std::string(kMaxRecord, ' '));
  EXPECT_THROW(encode_record(record), Error);
  record.mutable_config()->set_libxl_json(std::string(kMaxRecord - 100, ' '));
  const Bytes bytes = encode_record(record);
  EXPECT_LE(bytes.size(), kMaxRecord);
  EXPECT_NO_THROW(frame_record(bytes, 0, 0));
}

TEST(Record, AnImageIsKnownByAnyNumberOfItsFirstBytes) {
  const auto magic = std::span<const std::byte>(magic_record());
  EXPECT_FALSE(looks_like_image({}));
  for (size_t n = 1; n <= magic.size(); ++n) EXPECT_TRUE(looks_like_image(magic.first(n)));
  EXPECT_FALSE(looks_like_image(Bytes(8, std::byte{0xff})));
}

}  // namespace
}  // namespace ferry
