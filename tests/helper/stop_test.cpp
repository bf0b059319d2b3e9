// Whatever means "stop" is noticed, and nobody waits for a slow file once it is.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "error/error.h"
#include "host/stop_watch.h"
#include "host/stoppable_stream.h"

namespace ferry::helper {
namespace {

using namespace std::chrono_literals;

bool soon(const StopFlag& flag) {
  for (int i = 0; i < 500 && !flag; ++i) std::this_thread::sleep_for(10ms);
  return flag;
}

class StopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(pipe(replies_), 0);
    ASSERT_EQ(pipe(stream_), 0);
  }
  void TearDown() override {
    for (int fd : {replies_[0], replies_[1], stream_[0], stream_[1]})
      if (fd >= 0) close(fd);
  }
  int replies_[2], stream_[2];
};

Errc code_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& e) {
    return e.code();
  }
  return Errc::internal;
}

TEST_F(StopTest, each_signal_stops) {
  for (int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
    StopWatch watch(replies_[0]);
    EXPECT_FALSE(watch.stopped());
    kill(getpid(), signal_number);
    EXPECT_TRUE(soon(watch.stopped())) << signal_number;
  }
}

TEST_F(StopTest, regression_a_hang_up_is_nothing_to_a_helper_whose_xl_nohup_started) {
  signal(SIGHUP, SIG_IGN);
  {
    StopWatch watch(replies_[0]);
    kill(getpid(), SIGHUP);
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(watch.stopped());
  }
  signal(SIGHUP, SIG_DFL);
}

TEST_F(StopTest, a_reply_does_not_stop_but_a_hang_up_does) {
  StopWatch watch(replies_[0]);
  ASSERT_EQ(write(replies_[1], "1234", 4), 4);
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(watch.stopped());
  close(replies_[1]);
  replies_[1] = -1;
  EXPECT_TRUE(soon(watch.stopped()));
}

TEST_F(StopTest, a_writer_blocked_by_a_full_pipe_is_freed) {
  StopWatch watch(replies_[0]);
  const int flags = fcntl(stream_[1], F_GETFL);
  std::thread later([] {
    std::this_thread::sleep_for(50ms);
    kill(getpid(), SIGTERM);
  });
  const std::vector<std::byte> much(4 << 20);
  EXPECT_EQ(code_of([&] { StoppableSink(stream_[1], watch).write(much); }), Errc::aborted);
  later.join();
  EXPECT_EQ(fcntl(stream_[1], F_GETFL), flags) << "libxl wants its descriptor back as it was";
}

TEST_F(StopTest, a_reader_of_a_silent_pipe_is_freed) {
  StopWatch watch(replies_[0]);
  std::thread later([] {
    std::this_thread::sleep_for(50ms);
    kill(getpid(), SIGINT);
  });
  std::vector<std::byte> into(10);
  EXPECT_EQ(code_of([&] { StoppableSource(stream_[0], watch).read(into); }), Errc::aborted);
  later.join();
}

TEST_F(StopTest, bytes_pass_whole_through_a_slow_pipe) {
  StopWatch watch(replies_[0]);
  std::vector<std::byte> sent(3 << 20), received(3 << 20);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 7 >> 3);
  std::thread writer([&] { StoppableSink(stream_[1], watch).write(sent); });
  EXPECT_EQ(StoppableSource(stream_[0], watch).read(received), received.size());
  writer.join();
  EXPECT_EQ(sent, received);
}

TEST_F(StopTest, a_closed_reader_is_an_io_error_and_an_early_end_is_a_short_read) {
  StopWatch watch(replies_[0]);
  close(stream_[0]);
  stream_[0] = -1;
  const std::vector<std::byte> some(100);
  EXPECT_EQ(code_of([&] { StoppableSink(stream_[1], watch).write(some); }), Errc::io);
  ASSERT_EQ(pipe(stream_), 0);
  ASSERT_EQ(write(stream_[1], "abc", 3), 3);
  close(stream_[1]);
  stream_[1] = -1;
  std::vector<std::byte> into(10);
  EXPECT_EQ(StoppableSource(stream_[0], watch).read(into), 3u);
}

TEST_F(StopTest, regression_what_a_reader_leaves_in_the_pipe_was_not_saved) {
  StopWatch watch(replies_[0]);
  StoppableSink sink(stream_[1], watch);
  sink.write(std::vector<std::byte>(100));
  std::thread reader([this] {
    std::this_thread::sleep_for(50ms);
    char some[40];
    EXPECT_EQ(read(stream_[0], some, sizeof some), 40);
    close(stream_[0]);
    stream_[0] = -1;
  });
  EXPECT_EQ(code_of([&] { sink.wait_until_taken(); }), Errc::io);
  reader.join();
}

TEST_F(StopTest, what_a_reader_has_taken_before_it_left_was_saved) {
  StopWatch watch(replies_[0]);
  StoppableSink sink(stream_[1], watch);
  sink.write(std::vector<std::byte>(100));
  std::thread reader([this] {
    std::this_thread::sleep_for(50ms);
    char all[100];
    EXPECT_EQ(read(stream_[0], all, sizeof all), 100);
    close(stream_[0]);
    stream_[0] = -1;
  });
  sink.wait_until_taken();
  reader.join();
}

TEST_F(StopTest, a_reader_that_takes_nothing_is_not_waited_out) {
  StopWatch watch(replies_[0]);
  StoppableSink sink(stream_[1], watch);
  sink.write(std::vector<std::byte>(100));
  std::thread later([] {
    std::this_thread::sleep_for(50ms);
    kill(getpid(), SIGTERM);
  });
  EXPECT_EQ(code_of([&] { sink.wait_until_taken(); }), Errc::aborted);
  later.join();
}

}  // namespace
}  // namespace ferry::helper
