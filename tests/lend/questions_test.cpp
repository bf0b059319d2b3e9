// What somebody says who answers for a running guest is believed no more than an image.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <initializer_list>
#include <string_view>

#include "borrow/borrowed_guest.h"
#include "io/descriptor.h"
#include "proto/record.h"

namespace ferry::borrow {
namespace {

// Somebody who has said all that he will say before he is asked.
class Said {
 public:
  Said() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail(Errc::io, "no socket");
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
  }
  void say(std::span<const std::byte> answer) {
    FdSink sink(theirs_.get(), "us");
    send_answer(sink, answer);
  }
  void say(const std::vector<uint64_t>& numbers) {
    Bytes bytes;
    for (const uint64_t number : numbers) put_number(bytes, number);
    say(bytes);
  }
  void say_raw(const std::vector<uint64_t>& numbers) {
    Bytes bytes;
    for (const uint64_t number : numbers) put_number(bytes, number);
    FdSink(theirs_.get(), "us").write(bytes);
  }
  void say(const Error& error) {
    FdSink sink(theirs_.get(), "us");
    send_error(sink, error);
  }
  void say_text(std::string_view words) {
    FdSink(theirs_.get(), "us").write(std::as_bytes(std::span(words)));
  }
  std::shared_ptr<Lender> lender_that_stays() {
    return std::make_shared<Lender>(ours_.get(), ours_.get(), "web1");
  }
  // And nothing more.
  std::shared_ptr<Lender> lender() {
    shutdown(theirs_.get(), SHUT_WR);
    return std::make_shared<Lender>(ours_.get(), ours_.get(), "web1");
  }

 private:
  Descriptor ours_, theirs_;
};

Bytes head(uint64_t pfns, uint64_t sequence = 0) {
  v1::Record record;
  record.set_sequence(sequence);
  record.mutable_head()->set_guest_width(8);
  record.mutable_head()->set_pt_levels(4);
  record.mutable_head()->set_nr_pfns(pfns);
  return encode_record(record);
}

Errc code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::usage;  // none of what is expected
}

TEST(Questions, errors_come_as_they_were) {
  Said said;
  said.say(Error(Errc::no_domain, "there is no domain web1"));
  try {
    open_borrowed(said.lender());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::no_domain);
    EXPECT_STREQ(error.what(), "there is no domain web1");
  }
}

TEST(Questions, whoever_ends_before_he_has_answered_is_an_error) {
  Said nothing;
  EXPECT_EQ(code_of([&] { open_borrowed(nothing.lender()); }), Errc::io);
  Said half;
  half.say_raw({0, 8});
  EXPECT_EQ(code_of([&] { open_borrowed(half.lender()); }), Errc::io);
}

TEST(Questions, whoever_says_something_else_and_stays_is_an_error_at_once) {
  for (const std::string_view words : {"Welcome to host2\n", "no", "X"}) {
    Said said;
    said.say_text(words);
    const auto lender = said.lender_that_stays();
    EXPECT_EQ(code_of([&] { open_borrowed(lender); }), Errc::internal) << words;
  }
}

TEST(Questions, answers_that_make_no_sense_are_errors) {
  for (const std::vector<uint64_t>& frame :
       {std::vector<uint64_t>{0, kMostAnswer + 1}, std::vector<uint64_t>{1000, 0}}) {
    Said said;
    said.say_raw(frame);
    EXPECT_EQ(code_of([&] { open_borrowed(said.lender()); }), Errc::internal);
  }
  for (const uint64_t records : {uint64_t{0}, uint64_t{1} << 40}) {
    Said said;
    said.say({records});
    EXPECT_EQ(code_of([&] { open_borrowed(said.lender()); }), Errc::bad_image);
  }
  Said another;  // record 1 in the place of record 0
  another.say({2});
  another.say(head(1000, 1));
  EXPECT_EQ(code_of([&] { open_borrowed(another.lender()); }), Errc::bad_image);
}

TEST(Questions, pages_beyond_the_guest_or_twice_or_of_no_kind_are_errors) {
  const std::vector<uint64_t> bad[] = {
      {0, 1001, v1::DATA},                 // goes on beyond the end
      {1000, 1, v1::DATA},                 // begins there
      {10, 5, v1::DATA, 12, 3, v1::DATA},  // twice
      {10, 0, v1::DATA},                   // none
      {10, 1, 77},                         // a kind that nobody knows
      {10, ~uint64_t{0}, v1::DATA},        // overflows
      {10, 1},                             // ends early
  };
  for (const auto& numbers : bad) {
    Said said;
    said.say({1});
    said.say(head(1000));
    said.say(numbers);
    const ImageFile image = open_borrowed(said.lender());
    EXPECT_NE(code_of([&] { image.read_part_runs(0); }), Errc::usage) << numbers[0];
  }
  Said good;
  good.say({1});
  good.say(head(1000));
  good.say({0, 300, v1::DATA, 400, 2, v1::ABSENT});
  const ImageFile image = open_borrowed(good.lender());
  EXPECT_EQ(image.read_part_runs(0).size(), 3u) << "one for each record, one without";
}

}  // namespace
}  // namespace ferry::borrow
