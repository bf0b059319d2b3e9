// Every message's bytes, as libxl 4.17 expects them, and what happens when libxl is gone.
#include "host/channel.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace ferry::helper {
namespace {

class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(pipe(requests_), 0);
    ASSERT_EQ(pipe(replies_), 0);
  }
  void TearDown() override {
    for (int fd : {requests_[0], requests_[1], replies_[0], replies_[1]}) close(fd);
  }

  Channel channel() const { return Channel(requests_[1], replies_[0]); }
  void answer(int32_t value) const {
    ASSERT_EQ(write(replies_[1], &value, sizeof value), ssize_t{sizeof value});
  }
  std::string sent() const {
    std::string bytes(70000, '\0');
    const ssize_t n = read(requests_[0], bytes.data(), bytes.size());
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }

  int requests_[2], replies_[2];
};

template <typename T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string text(const std::string& s) {
  return le(static_cast<uint32_t>(s.size() + 1)) + s + '\0';
}

std::string framed(const std::string& body) {
  return le(static_cast<uint16_t>(body.size())) + body;
}

TEST_F(ChannelTest, log_carries_level_errno_context_and_text) {
  channel().log(Level::error, "no memory", 12);
  EXPECT_EQ(sent(), framed(le(uint16_t{1}) + le(uint32_t{8}) + le(uint32_t{12}) + text("ferry") +
                           text("no memory")));
}

TEST_F(ChannelTest, log_without_errno_says_minus_one) {
  channel().log(Level::info, "x");
  EXPECT_EQ(sent(), framed(le(uint16_t{1}) + le(uint32_t{5}) + le(~uint32_t{0}) + text("ferry") +
                           text("x")));
}

TEST_F(ChannelTest, a_text_that_is_too_long_is_cut_and_the_frame_stays_whole) {
  channel().log(Level::info, std::string(200000, 'x'));
  const std::string bytes = sent();
  uint16_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(bytes.size(), sizeof length + length);
}

TEST_F(ChannelTest, progress_carries_context_what_done_and_total) {
  channel().progress("saving memory", 3, uint64_t{1} << 40);
  EXPECT_EQ(sent(), framed(le(uint16_t{2}) + text("ferry") + text("saving memory") +
                           le(uint64_t{3}) + le(uint64_t{1} << 40)));
}

TEST_F(ChannelTest, suspend_returns_what_libxl_answers) {
  answer(1);
  EXPECT_EQ(channel().suspend(), 1);
  EXPECT_EQ(sent(), framed(le(uint16_t{3})));
  answer(0);
  EXPECT_EQ(channel().suspend(), 0);
}

TEST_F(ChannelTest, restore_messages) {
  answer(-7);
  EXPECT_EQ(channel().static_data_done(3), -7);
  EXPECT_EQ(sent(), framed(le(uint16_t{8}) + le(uint32_t{3})));
  channel().restore_results(0x1234, 0x5678);
  EXPECT_EQ(sent(), framed(le(uint16_t{9}) + le(uint64_t{0x1234}) + le(uint64_t{0x5678})));
}

TEST_F(ChannelTest, complete_waits_for_its_reply) {
  answer(0);
  channel().complete(-1, 28);
  EXPECT_EQ(sent(), framed(le(uint16_t{10}) + le(int32_t{-1}) + le(int32_t{28})));
}

TEST_F(ChannelTest, libxl_gone_before_a_request_or_before_its_reply_is_noticed) {
  close(requests_[0]);
  EXPECT_THROW(channel().log(Level::info, "x"), LibxlGone);
  ASSERT_EQ(pipe(requests_), 0);
  close(replies_[1]);
  EXPECT_THROW(channel().suspend(), LibxlGone);
  EXPECT_THROW(channel().complete(0, 0), LibxlGone);
  ASSERT_EQ(pipe(replies_), 0);
}

TEST_F(ChannelTest, half_a_reply_is_no_reply) {
  ASSERT_EQ(write(replies_[1], "\1\0", 2), 2);
  close(replies_[1]);
  EXPECT_THROW(channel().suspend(), LibxlGone);
  replies_[1] = dup(0);
}

}  // namespace
}  // namespace ferry::helper
