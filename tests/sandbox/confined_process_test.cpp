// What whoever starts a confined process hears of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/confined_process.h"
#include "tests/sandbox/in_child.h"

namespace ferry::test {
namespace {

using sandbox::Confined;
using sandbox::Confinement;
using sandbox::Done;
using sandbox::run_confined;
using testing::HasSubstr;

Confined usual() {
  return {.program = "reader", .what = "web1.ferry", .limits = sandbox::limits_for(0)};
}

// What it throws, or "".
std::string sentence_of(const Confined& how, const std::function<Done(const Confinement&)>& body) {
  try {
    run_confined(how, body);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(exit_code(error.code()), Exit::failed);
    return error.what();
  }
}

TEST(ConfinedProcess, hands_back_code_and_report) {
  const Done done = run_confined(usual(), [](const Confinement&) {
    return Done{Exit::bad_image, "twelve pages"};
  });
  EXPECT_EQ(done.exit, Exit::bad_image);
  EXPECT_EQ(done.report, "twelve pages");
}

TEST(ConfinedProcess, says_what_confines_it) {
  const Done done = run_confined(usual(), [](const Confinement& confinement) {
    return Done{Exit::done, std::string(confinement.seccomp ? "filter" : "none")};
  });
  EXPECT_EQ(done.report, "filter");
}

TEST(ConfinedProcess, complains_itself_about_an_error) {
  testing::internal::CaptureStderr();
  const Done done = run_confined(
      usual(), [](const Confinement&) -> Done { fail(Errc::bad_image, "record 7 is damaged"); });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "reader: record 7 is damaged\n");
  EXPECT_EQ(done.exit, Exit::bad_image);
}

TEST(ConfinedProcess, that_asks_for_more_is_stopped_and_told) {
  const std::string sentence = sentence_of(usual(), [](const Confinement&) {
    ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    return Done{};
  });
  EXPECT_THAT(sentence, HasSubstr("what reads web1.ferry was stopped: it asked the kernel"));
  EXPECT_THAT(sentence, HasSubstr("--no-sandbox"));
}

TEST(ConfinedProcess, that_crashes_is_told) {
  EXPECT_THAT(sentence_of(usual(), [](const Confinement&) -> Done { std::abort(); }),
              HasSubstr("what reads web1.ferry was ended by signal 6"));
}

TEST(ConfinedProcess, that_goes_on_for_too_long_is_stopped_and_told) {
  Confined how = usual();
  how.limits.cpu_seconds = 1;
  const std::string sentence = sentence_of(how, [](const Confinement&) -> Done { spin(); });
  EXPECT_THAT(sentence, HasSubstr("it took more than 1 s of processor time"));
}

TEST(ConfinedProcess, that_wants_too_much_memory_fails) {
  Confined how = usual();
  how.limits.memory_bytes = 64u << 20;
  testing::internal::CaptureStderr();
  const Done done = run_confined(how, [](const Confinement&) {
    return Done{Exit::done, std::to_string(std::vector<char>(1u << 30).size())};
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "reader: not enough memory\n");
  EXPECT_EQ(done.exit, Exit::failed);
}

TEST(ConfinedProcess, with_a_code_of_its_own_making_is_no_success) {
  EXPECT_THAT(sentence_of(usual(), [](const Confinement&) -> Done { ::_exit(77); }),
              HasSubstr("ended with code 77"));
}

// A report that never ends takes no memory here.
TEST(ConfinedProcess, that_reports_without_end_is_not_heard_to_the_end) {
  const Ended ended = in_child([] {
    run_confined(usual(), [](const Confinement&) -> Done {
      const std::string much(1u << 20, 'x');
      for (int fd = 3; fd < 64; ++fd)
        while (::write(fd, much.data(), much.size()) > 0) {
        }
      return {};
    });
    return 0;
  });
  EXPECT_TRUE(ended.killed_by(SIGPIPE)) << to_string(ended);  // as ferry cat | head ends
}

TEST(ConfinedProcess, has_no_input_and_nothing_that_was_inherited) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // not closed on exec, as what a shell hands on
  const Ended ended = in_child([&] {
    ::dup2(ends[0], STDIN_FILENO);
    const Done done = run_confined(usual(), [&](const Confinement&) {
      char byte;
      const bool empty = ::read(STDIN_FILENO, &byte, 1) == 0;
      const bool closed = ::write(ends[1], "x", 1) < 0 && errno == EBADF;
      return Done{empty && closed ? Exit::done : Exit::failed};
    });
    return static_cast<int>(done.exit);
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(ConfinedProcess, ends_with_whoever_started_it) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t starter = ::fork();
  if (starter == 0) {
    run_confined(usual(), [&](const Confinement&) -> Done {
      const pid_t self = ::getpid();
      if (::write(ends[1], &self, sizeof(self)) != sizeof(self)) return {};
      for (;;) ::usleep(1000);
    });
    ::_exit(0);
  }
  pid_t reader = 0;
  ASSERT_EQ(::read(ends[0], &reader, sizeof(reader)), static_cast<ssize_t>(sizeof(reader)));
  int status = 0;
  ASSERT_EQ(::kill(starter, SIGKILL), 0);
  ASSERT_EQ(::waitpid(starter, &status, 0), starter);
  ASSERT_EQ(::waitpid(reader, &status, 0), reader);  // ours now
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(ConfinedProcess, is_none_without_a_sandbox_which_is_said) {
  Confined how = usual();
  how.no_sandbox = true;
  testing::internal::CaptureStderr();
  const pid_t self = ::getpid();
  pid_t reader = 0;
  run_confined(how, [&](const Confinement& confinement) {
    reader = ::getpid();
    EXPECT_TRUE(sandbox::names_of(confinement).empty());
    return Done{};
  });
  EXPECT_EQ(reader, self);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "reader: --no-sandbox: what reads web1.ferry has all the rights of this user\n");
}

}  // namespace
}  // namespace ferry::test
