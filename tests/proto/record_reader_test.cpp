// Reading from front to back: not a byte too far, and in the right order only.
#include "proto/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "error/error.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using testing::HasSubstr;

// Fails when it is asked for a byte beyond its end: a pipe would block there.
class StrictSource final : public ByteSource {
 public:
  explicit StrictSource(std::span<const std::byte> bytes) : rest_(bytes) {}
  size_t read(std::span<std::byte> into) override {
    EXPECT_LE(into.size(), rest_.size());
    const size_t n = std::min(into.size(), rest_.size());
    std::copy_n(rest_.begin(), n, into.begin());
    rest_ = rest_.subspan(n);
    return n;
  }
  size_t left() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
};

// These bodies as the records of an image, numbered, with Magic in front and a matching End behind.
Bytes image_of(std::vector<v1::Record> bodies) {
  Bytes image = magic_record();
  DigestOfDigests digests;
  digests.add(frame_record(image, 0, 0).digest());
  uint64_t sequence = 1, last_at = 0;
  for (v1::Record& body : bodies) {
    body.set_sequence(sequence);
    const Bytes bytes = encode_record(body);
    digests.add(frame_record(bytes, sequence++, 0).digest());
    last_at = image.size();
    image.insert(image.end(), bytes.begin(), bytes.end());
  }
  v1::Record last;
  last.set_sequence(sequence);
  last.mutable_end()->set_index_root_offset(last_at);
  last.mutable_end()->set_records(sequence + 1);
  last.mutable_end()->set_bytes(image.size() + kEndRecord);
  const Digest digest = digests.result();
  last.mutable_end()->set_digest_of_digests(digest.data(), digest.size());
  const Bytes bytes = encode_record(last);
  image.insert(image.end(), bytes.begin(), bytes.end());
  return image;
}

v1::Record head() {
  v1::Record record;
  *record.mutable_head() = test::sample_head(8);
  return record;
}

v1::Record tsc() {
  v1::Record record;
  record.mutable_tsc()->set_khz(1);
  return record;
}

v1::Record root() {
  v1::Record record;
  record.mutable_index_root()->add_part_offsets(1);
  return record;
}

v1::Record part() {
  v1::Record record;
  record.mutable_index_part();
  return record;
}

std::string refusal(const Bytes& image) {
  try {
    test::read_records(image);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image);
    return error.what();
  }
  return "accepted";
}

TEST(RecordReader, GivesEveryRecordAndThenNothing) {
  const Bytes image = test::sample_image(1);
  MemorySource source(image);
  RecordReader reader(source);
  Bytes again;
  uint64_t records = 0;
  while (auto record = reader.next()) {
    EXPECT_EQ(record->sequence, records++);
    EXPECT_EQ(record->offset, again.size());
    again.insert(again.end(), record->bytes.begin(), record->bytes.end());
  }
  EXPECT_EQ(again, image);
  EXPECT_FALSE(reader.next());
}

TEST(RecordReader, NeverAsksForAByteBeyondTheEnd) {
  const Bytes image = test::sample_image(1);
  StrictSource source(image);
  RecordReader reader(source);
  while (reader.next()) {
  }
  reader.next();
  EXPECT_EQ(source.left(), 0u);
}

TEST(RecordReader, LeavesLibxlsEndInAPipeThatStaysOpen) {
  const Bytes image = test::sample_image(1);
  const Bytes whole =
      test::join({encode_xl_header({kXlFlagStreamV2, "config"}), image, encode_libxl_end()});
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  std::thread writer([&] { FdSink(fds[1], "pipe").write(whole); });
  FdSource source(fds[0], "pipe");
  EXPECT_EQ(read_xl_header(source).config, "config");
  RecordReader reader(source);
  Bytes again;
  while (auto record = reader.next())
    again.insert(again.end(), record->bytes.begin(), record->bytes.end());
  EXPECT_EQ(again, image);
  Bytes tail(8, std::byte{0xee});
  EXPECT_EQ(source.read(tail), 8u);
  EXPECT_EQ(tail, encode_libxl_end());
  writer.join();
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST(RecordReader, RefusesRecordsInAWrongOrder) {
  EXPECT_EQ(refusal(image_of({head(), tsc(), part(), root()})), "accepted");
  EXPECT_THAT(refusal(image_of({tsc(), head(), root()})), HasSubstr("no Head"));
  EXPECT_THAT(refusal(image_of({head(), head(), root()})), HasSubstr("second Head"));
  EXPECT_THAT(refusal(image_of({head(), part(), tsc(), root()})), HasSubstr("after the index"));
  EXPECT_THAT(refusal(image_of({head(), root(), tsc(), root()})), HasSubstr("after the index"));
  EXPECT_THAT(refusal(image_of({head(), tsc(), part()})), HasSubstr("index's root"));
  v1::Record magic;
  magic.mutable_magic()->set_major(1);
  EXPECT_THAT(refusal(image_of({head(), magic, root()})), HasSubstr("Magic"));
}

TEST(RecordReader, RefusesAnEndThatDoesNotFitTheImage) {
  const Bytes image = image_of({head(), root()});
  const size_t at = image.size() - kEndRecord;
  const v1::Record good = parse_record(frame_record(Bytes(image.begin() + at, image.end()), 3, 0));
  const auto with = [&](auto change) {
    v1::Record record = good;
    change(*record.mutable_end());
    const Bytes bytes = encode_record(record);
    Bytes changed(image.begin(), image.begin() + at);
    changed.insert(changed.end(), bytes.begin(), bytes.end());
    return refusal(changed);
  };
  EXPECT_EQ(with([](v1::End&) {}), "accepted");
  EXPECT_THAT(with([](v1::End& end) { end.set_records(5); }), HasSubstr("number of records"));
  EXPECT_THAT(with([](v1::End& end) { end.set_bytes(end.bytes() + 1); }), HasSubstr("size of"));
  EXPECT_THAT(with([](v1::End& end) { end.set_index_root_offset(50); }), HasSubstr("root"));
  EXPECT_THAT(with([](v1::End& end) { end.clear_index_root_offset(); }), HasSubstr("wrong size"));
  EXPECT_THAT(with([](v1::End& end) { end.set_digest_of_digests(std::string(16, 'x')); }),
              HasSubstr("digest of the digests"));
}

TEST(RecordReader, SaysWhereAnImageWithoutEndStops) {
  const Bytes image = image_of({head(), tsc(), root()});
  const Bytes cut(image.begin(), image.end() - kEndRecord);
  EXPECT_EQ(
      refusal(cut),
      fmt::format("the image ends at byte {}, behind record 3, without an End record", cut.size()));
  EXPECT_EQ(refusal(Bytes(image.begin(), image.begin() + 60)),
            "the image is cut off at byte 60, inside record 1");
  EXPECT_EQ(refusal({}), "this is no ferry image: it is empty");
}

TEST(RecordReader, PassesOnAnErrorOfItsSource) {
  FdSource source(-1, "nothing");
  RecordReader reader(source);
  try {
    reader.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::io);
    EXPECT_THAT(error.what(), HasSubstr("nothing"));
  }
}

TEST(CheckHead, AcceptsA64BitGuestAndNamesAFeatureItDoesNotKnow) {
  v1::Head good = test::sample_head(8);
  EXPECT_NO_THROW(check_head(good));
  const auto refused = [&](auto change) -> std::string {
    v1::Head bad = good;
    change(bad);
    try {
      check_head(bad);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refused([](v1::Head& h) { h.add_required_features("time-travel"); }),
              HasSubstr("\"time-travel\""));
  EXPECT_THAT(refused([](v1::Head& h) { h.set_guest_width(4); }), HasSubstr("32-bit"));
  EXPECT_THAT(refused([](v1::Head& h) { h.set_pt_levels(3); }), HasSubstr("3 page-table levels"));
  EXPECT_THAT(refused([](v1::Head& h) { h.set_nr_pfns(0); }), HasSubstr("0 pfns"));
  EXPECT_THAT(refused([](v1::Head& h) { h.set_nr_pfns(kMaxPfns + 1); }), HasSubstr("pfns"));
  EXPECT_EQ(refused([](v1::Head& h) { h.set_minor(99); }), "accepted");
}

TEST(CheckHead, TakesADeltaOnlyFromWhoHasItsBase) {
  v1::Head delta = test::sample_head(8);
  delta.add_required_features("delta");
  delta.mutable_base()->set_sha256(std::string(32, '\x5a'));
  delta.mutable_base()->set_digest_of_digests(std::string(16, 'd'));
  const auto said = [](const v1::Head& head, Deltas deltas) -> std::string {
    try {
      check_head(head, deltas);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::bad_image);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(said(delta, Deltas::taken), "accepted");
  EXPECT_THAT(said(delta, Deltas::refused), HasSubstr("SHA-256 5a5a5a"));
  v1::Head other = delta;
  other.clear_required_features();
  EXPECT_TRUE(is_delta(other));
  EXPECT_THAT(said(other, Deltas::taken), HasSubstr("does not require the feature \"delta\""));
  for (const size_t bytes : {0u, 31u, 33u}) {
    other = delta;
    other.mutable_base()->set_sha256(std::string(bytes, 'x'));
    EXPECT_THAT(said(other, Deltas::taken), HasSubstr("does not say of which other image"));
  }
  other = delta;
  other.clear_base();
  EXPECT_TRUE(is_delta(other));
  EXPECT_THAT(said(other, Deltas::taken), HasSubstr("does not say of which other image"));
  other = delta;
  other.add_required_features("time-travel");
  EXPECT_THROW(check_head(other, Deltas::taken), Error);
}

}  // namespace
}  // namespace ferry
