// Frames in plain form: the same as those that were decoded, and nothing else is believed.
#include "migrate/plain_frame.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "error/error.h"
#include "migrate/job_journal.h"
#include "migrate/link.h"

namespace ferry {
namespace {

using testing::HasSubstr;

v1::MigrateTakenBack taken_back(char letter) {
  v1::MigrateTakenBack one;
  one.set_job(std::string(16, letter));
  one.set_secret(std::string(32, letter));
  return one;
}

v1::MigrateFrame hello() {
  v1::MigrateFrame frame;
  v1::MigrateHello& hello = *frame.mutable_hello();
  hello.set_version(3);
  hello.set_job(std::string(16, '\x01'));
  hello.set_settle(true);
  hello.set_name("wäb1");
  hello.set_uuid(std::string(16, '\xff'));
  hello.set_xl_flags(7);
  hello.set_libxl_json("{\"c_info\": {}}");
  hello.set_streams(4);
  hello.set_secret(std::string(32, '\xee'));
  hello.set_wants_progress(true);
  hello.set_paused(true);
  *hello.add_taken_back() = taken_back('a');
  *hello.add_taken_back() = taken_back('b');
  return frame;
}

v1::MigrateFrame question() {
  v1::MigrateFrame frame;
  v1::MigrateQuestion& question = *frame.mutable_question();
  question.set_version(3);
  question.set_name("web1");
  question.set_guest_bytes(uint64_t{1} << 40);
  question.set_xen_major(4);
  question.set_xen_minor(17);
  question.set_cpuid_leaves(std::string(48, '\xfe'));
  question.set_libxl_json("{}");
  question.set_uuid(std::string(16, '\x80'));
  question.set_msrs(std::string(16, '\x90'));
  question.set_tsc_mode(2);
  question.set_tsc_khz(2'500'000);
  *question.add_taken_back() = taken_back('c');
  return frame;
}

v1::MigrateFrame join() {
  v1::MigrateFrame frame;
  frame.mutable_join()->set_job(std::string(16, '\x02'));
  frame.mutable_join()->set_stream(3);
  frame.mutable_join()->set_secret(std::string(32, '\x03'));
  return frame;
}

v1::MigrateFrame chunk(size_t bytes) {
  v1::MigrateFrame frame;
  frame.mutable_chunk()->set_number(uint64_t{1} << 33);
  frame.mutable_chunk()->set_data(std::string(bytes, '\xaa'));
  return frame;
}

v1::MigrateFrame end() {
  v1::MigrateFrame frame;
  frame.mutable_end()->set_chunks(12);
  frame.set_challenge(std::string(32, '\x05'));
  return frame;
}

v1::MigrateFrame handover() {
  v1::MigrateFrame frame;
  frame.set_handover(3);
  frame.set_challenge(std::string(32, '\x06'));
  return frame;
}

std::vector<v1::MigrateFrame> all_kinds() {
  return {hello(), question(), join(), chunk(kChunkBytes), chunk(0), end(), handover()};
}

Bytes plain(const v1::MigrateFrame& frame) {
  MemorySink sink;
  write_plain(frame, sink);
  return sink.bytes();
}

std::optional<v1::MigrateFrame> read(std::span<const std::byte> bytes) {
  MemorySource source(bytes);
  ImageChunk chunk;
  auto frame = read_plain(source, chunk);
  if (frame && frame->has_chunk())
    frame->mutable_chunk()->set_data(chunk.bytes().data(), chunk.size);
  return frame;
}

// What is refused, or "".
std::string refusal(std::span<const std::byte> bytes) {
  try {
    read(bytes);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::io);
    return error.what();
  }
}

void expect_same(v1::MigrateFrame one, v1::MigrateFrame other) {
  // A frame without a challenge has one of zeros in plain form, which is nobody's.
  const std::string none(kSecretBytes, '\0');
  if (one.challenge().empty()) one.set_challenge(none);
  if (other.challenge().empty()) other.set_challenge(none);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(one, other))
      << one.ShortDebugString().substr(0, 1000) << "\n"
      << other.ShortDebugString().substr(0, 1000);
}

TEST(PlainFrames, say_what_the_frames_said) {
  for (const v1::MigrateFrame& frame : all_kinds()) {
    const Bytes bytes = plain(frame);
    const auto again = read(bytes);
    ASSERT_TRUE(again);
    expect_same(frame, *again);
  }
}

// One that is new in the schema has to be thought of here, or be lost without a word.
TEST(PlainFrames, have_every_field_of_the_schema) {
  for (const v1::MigrateFrame& frame : {hello(), question(), join()}) {
    const google::protobuf::Message& body =
        frame.has_hello()      ? static_cast<const google::protobuf::Message&>(frame.hello())
        : frame.has_question() ? static_cast<const google::protobuf::Message&>(frame.question())
                               : frame.join();
    std::vector<const google::protobuf::FieldDescriptor*> set;
    body.GetReflection()->ListFields(body, &set);
    EXPECT_EQ(set.size(), static_cast<size_t>(body.GetDescriptor()->field_count()))
        << body.GetDescriptor()->name();
  }
}

TEST(PlainFrames, of_no_use_to_a_destination_say_only_that_something_came) {
  v1::MigrateFrame frame;
  frame.set_refusal("go away");
  const auto again = read(plain(frame));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->what_case(), v1::MigrateFrame::WHAT_NOT_SET);
}

TEST(PlainFrames, end_at_an_end_only) {
  EXPECT_FALSE(read({}));
  for (const v1::MigrateFrame& frame : all_kinds()) {
    const Bytes bytes = plain(frame);
    for (const size_t size : {size_t{1}, size_t{47}, bytes.size() - 1})
      if (size < bytes.size()) {
        EXPECT_THAT(refusal(std::span(bytes).first(size)), HasSubstr("in the middle")) << size;
      }
  }
}

TEST(PlainFrames, that_are_broken_say_why) {
  MemorySink sink;
  write_broken("the link broke", sink);
  EXPECT_EQ(refusal(sink.bytes()), "the link broke");
  MemorySink long_one;
  write_broken(std::string(100'000, 'x'), long_one);
  EXPECT_EQ(refusal(long_one.bytes()), std::string(1024, 'x'));
}

constexpr char kSenseless[] = "what decodes the other host's messages says what makes no sense";

// Where the numbers of a head, or of a body behind its 48 bytes, are.
Bytes with_number(const v1::MigrateFrame& frame, size_t at, uint64_t value, size_t width = 8) {
  Bytes bytes = plain(frame);
  std::memcpy(bytes.data() + at, &value, width);
  return bytes;
}

TEST(PlainFrames, believe_no_length_and_no_number) {
  const uint64_t huge = ~uint64_t{0};
  EXPECT_EQ(refusal(with_number(hello(), 0, 77, 4)), kSenseless) << "no such kind";
  EXPECT_EQ(refusal(with_number(hello(), 4, kMostFrameBytes + 1, 4)), kSenseless) << "too long";
  EXPECT_EQ(refusal(with_number(join(), 4, 257, 4)), kSenseless) << "too long for a join";
  EXPECT_EQ(refusal(with_number(end(), 4, 1, 4)), kSenseless) << "an end has no body";
  EXPECT_EQ(refusal(with_number(handover(), 8, huge)), kSenseless) << "a message's number";
  EXPECT_EQ(refusal(with_number(join(), 8, huge)), kSenseless) << "a stream's number";
  EXPECT_EQ(refusal(with_number(hello(), 48, huge)), kSenseless) << "version";
  EXPECT_EQ(refusal(with_number(hello(), 48 + 8, 2)), kSenseless) << "settle";
  EXPECT_EQ(refusal(with_number(hello(), 48 + 48, huge)), kSenseless) << "length of the job";
  EXPECT_EQ(refusal(with_number(hello(), 48 + 48, 15)), kSenseless) << "all that follows";
}

TEST(PlainFrames, have_texts_of_utf_8_only) {
  v1::MigrateFrame frame = question();
  const Bytes bytes = plain(frame);
  Bytes bad = bytes;
  // The name is the first text, behind six numbers and its length.
  bad[48 + 6 * 8 + 8] = std::byte{0xff};
  EXPECT_EQ(refusal(bad), kSenseless);
}

TEST(PlainFrames, name_so_many_earlier_jobs_only) {
  v1::MigrateFrame frame = hello();
  frame.mutable_hello()->clear_taken_back();
  for (int i = 0; i < 64; ++i) *frame.mutable_hello()->add_taken_back() = taken_back('x');
  EXPECT_EQ(refusal(plain(frame)), "");
  *frame.mutable_hello()->add_taken_back() = taken_back('x');
  EXPECT_EQ(refusal(plain(frame)), kSenseless);
}

// A source that counts what is asked for at once: memory is had for what has come only.
class Announced final : public ByteSource {
 public:
  explicit Announced(Bytes bytes) : bytes_(std::move(bytes)), rest_(bytes_) {}
  size_t read(std::span<std::byte> into) override {
    most_ = std::max(most_, into.size());
    return rest_.read(into);
  }
  size_t most() const { return most_; }

 private:
  Bytes bytes_;
  MemorySource rest_;
  size_t most_ = 0;
};

TEST(PlainFrames, take_memory_for_what_has_come_only) {
  Announced source(with_number(chunk(16), 4, kMostFrameBytes, 4));
  ImageChunk none;
  EXPECT_THROW(read_plain(source, none), Error);
  EXPECT_LE(source.most(), kChunkBytes);
}

TEST(PlainFrames, withstand_what_is_changed_at_random) {
  std::mt19937 random(1);
  for (const v1::MigrateFrame& frame : all_kinds()) {
    const Bytes whole = plain(frame);
    if (whole.size() > 10'000) continue;
    for (int i = 0; i < 3000; ++i) {
      Bytes bytes = whole;
      for (unsigned n = 1 + random() % 4; n > 0; --n)
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      refusal(bytes);
    }
  }
}

}  // namespace
}  // namespace ferry
