// An image that comes as a stream: its configuration first, and then all of it, and no more.
#include "config/image_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error/error.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using testing::HasSubstr;

Bytes in_xl_file(std::span<const std::byte> image) {
  Bytes file = encode_xl_header({kXlFlagJson | kXlFlagStreamV2, "{\"xl\": 1}"});
  file.insert(file.end(), image.begin(), image.end());
  const Bytes end = encode_libxl_end();
  file.insert(file.end(), end.begin(), end.end());
  return file;
}

Bytes rest_of(ByteSource& source, size_t step) {
  Bytes all;
  for (Bytes piece(step); const size_t n = source.read(piece);)
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(n));
  return all;
}

// What the stream is refused with; "" if it is not.
std::string refusal(std::span<const std::byte> bytes) {
  MemorySource source(bytes);
  ImageStream stream(source);
  try {
    stream.config();
    rest_of(stream, 1 << 16);
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::bad_image) << e.what();
    return e.what();
  }
}

// Records with these bodies, behind Magic.
Bytes beginning_with(std::vector<v1::Record> bodies) {
  Bytes image = magic_record();
  for (uint64_t i = 0; i < bodies.size(); ++i) {
    bodies[i].set_sequence(i + 1);
    const Bytes bytes = encode_record(bodies[i]);
    image.insert(image.end(), bytes.begin(), bytes.end());
  }
  return image;
}
v1::Record head() {
  v1::Record record;
  *record.mutable_head() = test::sample_head(test::kSamplePfns);
  return record;
}
v1::Record config(const std::string& json) {
  v1::Record record;
  record.mutable_config()->set_libxl_json(json);
  return record;
}

class Stream : public ::testing::Test {
 protected:
  const Bytes image_ = test::sample_image(1);
};

TEST_F(Stream, tells_the_configuration_and_then_gives_the_image_and_no_byte_more) {
  for (const size_t step : {size_t{1}, size_t{1000}, size_t{1} << 20}) {
    Bytes bytes = image_;
    bytes.insert(bytes.end(), {std::byte{1}, std::byte{2}, std::byte{3}});
    MemorySource source(bytes);
    ImageStream stream(source);
    const SavedConfig config = stream.config();
    EXPECT_EQ(config.header.config, "{}");
    EXPECT_FALSE(config.in_xl_file);
    EXPECT_EQ(config.guest_pages, test::sample_head(test::kSamplePfns).populated_pages());
    EXPECT_EQ(rest_of(stream, step), image_);
    EXPECT_EQ(rest_of(source, 16).size(), 3u);
  }
}

TEST_F(Stream, of_xl_has_its_configuration_in_front) {
  const Bytes file = in_xl_file(image_);
  MemorySource source(file);
  ImageStream stream(source);
  const SavedConfig config = stream.config();
  EXPECT_EQ(config.header.config, "{\"xl\": 1}");
  EXPECT_TRUE(config.in_xl_file);
  EXPECT_EQ(config.guest_pages, test::sample_head(test::kSamplePfns).populated_pages());
  EXPECT_EQ(rest_of(stream, 1000), image_);
  EXPECT_EQ(rest_of(source, 16), encode_libxl_end());
}

TEST_F(Stream, without_a_configuration_before_its_pages_is_refused_before_they_come) {
  v1::Record pages;
  pages.mutable_pages()->set_round(0);
  const std::string said = refusal(beginning_with({head(), pages, config("{}")}));
  EXPECT_THAT(said, HasSubstr("no configuration before its pages"));
  EXPECT_THAT(said, HasSubstr("write it to a file, and restore that"));
  // One that says nothing is none.
  EXPECT_THAT(refusal(beginning_with({head(), config(""), pages})), HasSubstr("no configuration"));
}

TEST_F(Stream, that_never_comes_to_its_configuration_is_not_kept_for_ever) {
  v1::Record frames;
  std::string* many = frames.mutable_shared_info()->mutable_page();
  many->assign(5 << 20, 'x');
  EXPECT_THAT(refusal(beginning_with({head(), frames, frames, frames, frames, config("{}")})),
              HasSubstr("no configuration before its pages"));
}

TEST_F(Stream, cut_anywhere_is_refused) {
  for (size_t cut = 0; cut < image_.size(); cut += 7)
    ASSERT_NE(refusal(std::span(image_).first(cut)), "") << cut;
  EXPECT_EQ(refusal(image_), "");
}

// Nobody gets a record whose bytes are not the ones that were saved.
TEST_F(Stream, with_a_flipped_bit_is_refused_and_gives_nothing_of_that_record) {
  for (size_t at = 0; at < image_.size(); at += 11) {
    Bytes bytes = image_;
    bytes[at] ^= std::byte{4};
    MemorySource source(bytes);
    ImageStream stream(source);
    Bytes got;
    try {
      stream.config();
      Bytes one(1);
      while (stream.read(one) == 1) got.push_back(one[0]);
      FAIL() << "a flipped bit at byte " << at;
    } catch (const Error&) {
      ASSERT_LE(got.size(), at);
    }
  }
}

TEST_F(Stream, of_something_else_is_told_from_an_image) {
  const auto bytes =
      std::as_bytes(std::span(std::string_view("\x1f\x8b\x08 and so on, compressed")));
  EXPECT_THAT(refusal(bytes), HasSubstr("gzip"));
  EXPECT_THAT(refusal({}), HasSubstr("empty"));
}

}  // namespace
}  // namespace ferry
