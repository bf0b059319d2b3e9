// What somebody who has taken the reader over may say to the engine: each of it ends the reading
// with a sentence, and nothing is taken that makes no sense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "intake/message.h"
#include "intake/piped_records.h"
#include "intake/record_pipe.h"
#include "tests/intake/collected.h"

namespace ferry::test {
namespace {

using message::Type;
using testing::HasSubstr;
using testing::StartsWith;

class HostileMessages : public testing::Test {
 protected:
  HostileMessages() : pipe(sink) {}

  void say_held_and_head() {
    pipe.held(0);
    pipe.head({.nr_pfns = 1000});
  }
  // Whatever it is.
  void say(uint32_t type, std::span<const std::byte> body, uint32_t bytes) {
    const message::Prefix prefix{type, bytes, 1};
    sink.write(std::as_bytes(std::span(&prefix, 1)));
    sink.write(body);
  }
  template <typename T>
  void say(Type type, const T& body) {
    say(static_cast<uint32_t>(type), std::as_bytes(std::span(&body, 1)), sizeof body);
  }
  void say_nothing(Type type) { say(static_cast<uint32_t>(type), {}, 0); }

  // What the engine's end throws.
  std::string sentence() {
    MemorySource source(sink.bytes());
    try {
      PipedRecords(source, ring, [](int) {}).read(taken);
      return "nothing";
    } catch (const Error& error) {
      code = error.code();
      return error.what();
    }
  }
  void expect_senseless(const std::string& why) {
    EXPECT_EQ(sentence(), "what reads the image says what makes no sense (" + why +
                              "): the image may have been made to take it over");
    EXPECT_EQ(code, Errc::internal);
  }

  PageRing ring{2};
  MemorySink sink;
  RecordPipe pipe;
  Collected taken;
  Errc code = Errc::usage;
};

TEST_F(HostileMessages, of_no_type) {
  say_held_and_head();
  say(77, {}, 0);
  expect_senseless("message 77");
}

// Nothing is made room for: the 4 GiB are not there.
TEST_F(HostileMessages, longer_than_any_of_their_type) {
  for (uint32_t type = 1; type <= static_cast<uint32_t>(Type::failed); ++type) {
    sink = {};
    say(type, {}, UINT32_MAX);
    EXPECT_THAT(sentence(), StartsWith("what reads the image says what makes no sense (message "))
        << type;
    sink = {};
    const auto most = static_cast<uint32_t>(message::most_bytes(type));
    say(type, {}, most + 1);
    expect_senseless(fmt::format("message {} of {} bytes", type, most + 1));
  }
}

TEST_F(HostileMessages, too_short_or_too_long_for_what_they_say) {
  for (const Type type : {Type::tsc, Type::vcpu, Type::cpu_policy, Type::failed}) {
    sink = {};
    taken = {};
    say_held_and_head();
    say(type, uint16_t{1});
    expect_senseless(fmt::format("message {} is too short", static_cast<uint32_t>(type)));
  }
  for (const Type type : {Type::populated, Type::pages}) {
    sink = {};
    say_held_and_head();
    say(type, message::Tsc{});  // one entry, and half of another
    expect_senseless(fmt::format("message {} is too short", static_cast<uint32_t>(type)));
  }
  sink = {};
  say_held_and_head();
  say(Type::vcpu, std::array<message::Vcpu, 2>{});  // all sizes 0, and more behind
  expect_senseless("message 8 is too long");
}

TEST_F(HostileMessages, whose_sizes_lie) {
  for (const uint32_t size : {1u, 0x10000u, UINT32_MAX}) {
    for (size_t which = 0; which < 4; ++which) {
      sink = {};
      say_held_and_head();
      message::Vcpu vcpu;
      vcpu.sizes[which] = size;
      say(Type::vcpu, vcpu);
      expect_senseless("message 8 is too short");
    }
    sink = {};
    say_held_and_head();
    say(Type::cpu_policy, message::Policy{uint64_t{size} << 32 | size});
    expect_senseless("message 3 is too short");
  }
  EXPECT_TRUE(taken.vcpus.empty());
}

TEST_F(HostileMessages, of_pages_of_no_kind) {
  for (const uint32_t kind : {5u, 8u, 13u, 14u, 18u, 256u, UINT32_MAX}) {
    sink = {};
    say_held_and_head();
    say(Type::pages, message::Pages{1, 1, kind});
    expect_senseless(fmt::format("a page of kind {}", kind));
  }
  EXPECT_TRUE(taken.runs.empty());
}

TEST_F(HostileMessages, without_the_first) {
  pipe.head({.nr_pfns = 1000});
  expect_senseless("no first message");
}

TEST_F(HostileMessages, with_the_first_twice) {
  say_held_and_head();
  pipe.held(0);
  expect_senseless("its first message again");
}

TEST_F(HostileMessages, without_a_head) {
  for (const auto& speak :
       std::vector<std::function<void()>>{[&] { pipe.pages({}, {}); }, [&] { pipe.tsc(1, {}); },
                                          [&] { pipe.populated({}); }, [&] { pipe.end(); }}) {
    sink = {};
    pipe.held(0);
    speak();
    expect_senseless("no head");
  }
  EXPECT_EQ(taken.order, "");
}

TEST_F(HostileMessages, with_two_heads) {
  say_held_and_head();
  pipe.head({.nr_pfns = 1u << 30});
  expect_senseless("a second head");
  EXPECT_EQ(taken.order, "h");
}

// Wherever they stop, that is no end.
TEST_F(HostileMessages, without_the_end) {
  say_held_and_head();
  pipe.tsc(1, {});
  const Bytes all = sink.bytes();
  for (size_t length = 0; length <= all.size(); ++length) {
    sink = {};
    sink.write(std::span(all).first(length));
    EXPECT_EQ(sentence(), "what reads the image ended before it was done") << length;
  }
}

TEST_F(HostileMessages, after_the_end_are_not_heard) {
  say_held_and_head();
  pipe.end();
  pipe.tsc(1, {});
  EXPECT_EQ(sentence(), "nothing");
  EXPECT_EQ(taken.order, "h");
}

TEST_F(HostileMessages, of_failures_are_of_an_image) {
  const std::pair<Errc, Errc> said_and_heard[] = {
      {Errc::bad_image, Errc::bad_image},     {Errc::unsupported, Errc::unsupported},
      {Errc::no_memory, Errc::no_memory},     {Errc::io, Errc::io},
      {Errc::aborted, Errc::internal},        {Errc::usage, Errc::internal},
      {Errc::needs_operator, Errc::internal}, {static_cast<Errc>(1000), Errc::internal}};
  for (const auto& [said, heard] : said_and_heard) {
    sink = {};
    pipe.held(0);
    pipe.failed(Error(said, "record 7 is damaged"));
    EXPECT_EQ(sentence(), "record 7 is damaged");
    EXPECT_EQ(code, heard) << static_cast<int>(said);
  }
}

TEST_F(HostileMessages, of_failures_are_sentences_and_no_books) {
  pipe.held(0);
  pipe.failed(Error(Errc::bad_image, std::string(1u << 20, 'x')));
  EXPECT_EQ(sentence().size(), message::kMostSentenceBytes);
}

}  // namespace
}  // namespace ferry::test
