// What a stream is, told on files, pipes and sockets without taking a byte from them.
#include "host/stream_kind.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>

#include "error/error.h"
#include "proto/record_writer.h"

namespace ferry::helper {
namespace {

std::string image_start() {
  MemorySink sink;
  RecordWriter writer(sink, 1);
  return {reinterpret_cast<const char*>(sink.bytes().data()), sink.bytes().size()};
}

struct Case {
  std::string bytes;
  StreamKind kind;
};

std::vector<Case> cases() {
  return {{image_start() + "more", StreamKind::ferry},
          {std::string(8, '\xff') + "XENFmoremoremoremoremoremoremoremoremoremoremoremore",
           StreamKind::libxc},
          {std::string(100, 'x'), StreamKind::unknown},
          {"short", StreamKind::unknown},
          {std::string(7, '\xff'), StreamKind::unknown},
          {"", StreamKind::unknown}};
}

std::string drain(int fd) {
  std::string all(1000, '\0');
  size_t done = 0;
  for (ssize_t n; (n = read(fd, all.data() + done, all.size() - done)) > 0;)
    done += static_cast<size_t>(n);
  all.resize(done);
  return all;
}

TEST(StreamKind, of_a_file_that_stands_in_its_middle) {
  for (const Case& c : cases()) {
    FILE* file = std::tmpfile();
    const int fd = fileno(file);
    ASSERT_EQ(write(fd, "before", 6), 6);
    ASSERT_EQ(write(fd, c.bytes.data(), c.bytes.size()), static_cast<ssize_t>(c.bytes.size()));
    lseek(fd, 6, SEEK_SET);
    EXPECT_EQ(stream_kind(fd), c.kind);
    EXPECT_EQ(drain(fd), c.bytes);
    std::fclose(file);
  }
}

TEST(StreamKind, of_a_pipe_and_of_a_socket_whose_writer_is_slow) {
  for (const bool socket : {false, true}) {
    for (const Case& c : cases()) {
      int fds[2];
      ASSERT_EQ(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
      std::thread writer([&] {
        for (size_t at = 0; at < c.bytes.size(); at += 11) {
          const std::string part = c.bytes.substr(at, 11);
          ASSERT_EQ(write(fds[1], part.data(), part.size()), static_cast<ssize_t>(part.size()));
          std::this_thread::sleep_for(std::chrono::milliseconds(8));
        }
        close(fds[1]);
      });
      EXPECT_EQ(stream_kind(fds[0]), c.kind) << c.bytes.size() << (socket ? " socket" : " pipe");
      writer.join();
      EXPECT_EQ(drain(fds[0]), c.bytes);
      close(fds[0]);
    }
  }
}

TEST(StreamKind, waiting_for_a_silent_pipe_costs_no_time_and_can_be_ended) {
  int stream[2], wake[2];
  ASSERT_EQ(pipe2(stream, O_NONBLOCK), 0);
  ASSERT_EQ(pipe(wake), 0);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ASSERT_EQ(write(wake[1], "x", 1), 1);
  });
  const std::clock_t before = std::clock();
  EXPECT_THROW(stream_kind(stream[0], wake[0]), Error);
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 20);
  later.join();
  for (const int fd : {stream[0], stream[1], wake[0], wake[1]}) close(fd);
}

}  // namespace
}  // namespace ferry::helper
