// A confined process that works beside whoever made it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "io/descriptor.h"
#include "sandbox/confined_child.h"
#include "tests/sandbox/in_child.h"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;
using sandbox::ConfinedChild;
using sandbox::Confinement;
using testing::HasSubstr;

sandbox::Confined usual_child() {
  return {.program = "reader",
          .what = "web1.ferry",
          .limits = sandbox::limits_for(0),
          .way_out = "there is no way out"};
}

// What wait() throws, or "".
std::string end_of(ConfinedChild& child, std::chrono::milliseconds time = 10s) {
  try {
    child.wait(time);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(exit_code(error.code()), Exit::failed);
    return error.what();
  }
}

std::string end_of(const std::function<void(const Confinement&)>& body) {
  ConfinedChild child(usual_child(), {}, body);
  return end_of(child);
}

TEST(ConfinedChildren, end_well) {
  EXPECT_EQ(end_of([](const Confinement&) {}), "");
}

TEST(ConfinedChildren, are_confined) {
  EXPECT_EQ(end_of([](const Confinement& held) {
              if (!held.seccomp || !held.no_capabilities) throw 1;
            }),
            "");
}

TEST(ConfinedChildren, that_ask_for_more_are_stopped_and_told) {
  EXPECT_EQ(end_of([](const Confinement&) { ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }),
            "what reads web1.ferry was stopped: it asked the kernel for what reading never needs, "
            "so the file may have been made to take it over (there is no way out)");
}

// One that decrypts a connection may end it and ask how it is, and nothing beyond.
TEST(ConfinedChildren, that_have_a_connection_may_end_it) {
  const auto end_with = [](sandbox::Work work, int level, int option) {
    sandbox::Confined how = usual_child();
    how.suspicion = "somebody may have";
    how.work = work;
    ConfinedChild child(how, {}, [=](const Confinement&) {
      if (option < 0 && shutdown(0, SHUT_RDWR) == 0) throw 1;  // it is no socket
      int value = 0;
      socklen_t size = sizeof value;
      if (option >= 0 && getsockopt(0, level, option, &value, &size) == 0) throw 1;
    });
    return end_of(child);
  };
  constexpr int kShutdown = -1;
  EXPECT_EQ(end_with(sandbox::Work::connection, 0, kShutdown), "");
  EXPECT_EQ(end_with(sandbox::Work::connection, IPPROTO_TCP, TCP_INFO), "");
  EXPECT_THAT(
      end_with(sandbox::Work::connection, SOL_SOCKET, SO_PEERCRED),
      HasSubstr("was stopped: it asked the kernel for what reading never needs, so somebody "
                "may have (there is no way out)"));
  EXPECT_THAT(end_with(sandbox::Work::connection, IPPROTO_TCP, TCP_CONGESTION),
              HasSubstr("was stopped"));
  EXPECT_THAT(end_with(sandbox::Work::reading, 0, kShutdown), HasSubstr("was stopped"));
  EXPECT_THAT(end_with(sandbox::Work::reading, IPPROTO_TCP, TCP_INFO), HasSubstr("was stopped"));
}

TEST(ConfinedChildren, that_crash_or_throw_are_told) {
  EXPECT_THAT(end_of([](const Confinement&) { std::abort(); }), HasSubstr("ended by signal 6"));
  EXPECT_THAT(end_of([](const Confinement&) { throw 1; }), HasSubstr("ended with code 1"));
}

TEST(ConfinedChildren, that_do_not_end_are_ended) {
  pid_t pid = 0;
  {
    ConfinedChild child(usual_child(), {}, [](const Confinement&) { spin(); });
    pid = child.pid();
    EXPECT_THAT(end_of(child, 20ms), HasSubstr("said that it was done, and goes on"));
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

// Those are for whoever made it, who then decides what becomes of it.
TEST(ConfinedChildren, go_on_through_what_is_typed_at_a_terminal) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const int keep[] = {from.get()};
  ConfinedChild child(usual_child(), keep, [&](const Confinement&) {
    char byte;
    if (::read(from.get(), &byte, 1) != 1) throw 1;
  });
  ::usleep(50'000);
  for (const int typed : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(child.pid(), typed);
  ASSERT_EQ(::write(to.get(), "x", 1), 1);
  EXPECT_EQ(end_of(child), "");
}

TEST(ConfinedChildren, keep_what_they_are_given_and_nothing_else) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor from(ends[0]), to(ends[1]);
  const Descriptor ours(::open("/dev/zero", O_RDWR | O_CLOEXEC)), inherited(::dup(ours.get()));
  const int keep[] = {to.get()};
  EXPECT_EQ(end_of([](const Confinement&) {}), "");
  ConfinedChild child(usual_child(), keep, [&](const Confinement&) {
    char byte = 'x';
    if (::write(to.get(), &byte, 1) != 1) throw 1;
    for (const int fd : {from.get(), ours.get(), inherited.get()})
      if (::read(fd, &byte, 1) >= 0 || errno != EBADF) throw 2;
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (::read(standard, &byte, 1) != 0) throw 3;
    for (int fd = 3; fd < 256; ++fd)
      if (fd != to.get() && ::lseek(fd, 0, SEEK_CUR) >= 0) throw 4;
  });
  EXPECT_EQ(end_of(child), "");
}

}  // namespace
}  // namespace ferry::test
