// Each image command with a reader that somebody has taken over (taken_over.cpp): nothing that it
// tries works, nothing is left behind, and ferry says so.
#include <gmock/gmock.h>

#include "tests/sandbox/programs.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class TakenOver : public SandboxedPrograms {
 protected:
  TakenOver() {
    ::setenv("LD_PRELOAD", TAKEN_OVER_LIBRARY, 1);
    ::setenv("TAKEN_OVER_PLACE", left().c_str(), 1);
  }
  ~TakenOver() override {
    for (const char* name : {"LD_PRELOAD", "TAKEN_OVER", "TAKEN_OVER_PLACE", "TAKEN_OVER_AT_ONCE"})
      ::unsetenv(name);
  }
  std::string left() const { return folder_ / "left"; }
  std::string made() const { return folder_ / "other"; }

  Outcome run(const char* what, const std::vector<std::string>& words) {
    ::setenv("TAKEN_OVER", what, 1);
    return ferry(words);
  }
};

TEST_F(TakenOver, readers_can_do_nothing_and_are_told_of) {
  for (const char* what : {"write", "hypercall", "connect", "trace", "signal", "run"}) {
    for (const std::vector<std::string>& words : commands()) {
      const Outcome outcome = run(what, words);
      EXPECT_EQ(outcome.exit_code, 1) << what << ", " << words[0];
      EXPECT_THAT(outcome.err, HasSubstr("was stopped: it asked the kernel for what reading never"))
          << what << ", " << words[0];
      EXPECT_EQ(outcome.out, "") << what << ", " << words[0];
      EXPECT_FALSE(std::filesystem::exists(left()));
      EXPECT_FALSE(std::filesystem::exists(made())) << what << ", " << words[0];
    }
  }
}

// What finds the configuration of a file for ferry restore, before anything of Xen is open.
TEST_F(TakenOver, what_looks_at_a_file_before_a_restore_can_do_nothing_either) {
  ::setenv("TAKEN_OVER_AT_ONCE", "1", 1);
  for (const char* what : {"write", "hypercall", "connect", "trace", "signal", "run"}) {
    const Outcome outcome = run(what, {"restore", image_});
    EXPECT_EQ(outcome.exit_code, 1) << what;
    EXPECT_THAT(outcome.err, HasSubstr("was stopped: it asked the kernel for what reading never"))
        << what;
    EXPECT_EQ(outcome.out, "") << what;
    EXPECT_FALSE(std::filesystem::exists(left())) << what;
  }
  ::setenv("FERRY_SANDBOX", "no", 1);
  run("write", {"restore", image_});
  ::unsetenv("FERRY_SANDBOX");
  EXPECT_TRUE(std::filesystem::exists(left())) << "that was no attempt";
}

// And what reads a stream; it can also lie to whoever started it, but not end well.
TEST_F(TakenOver, what_reads_a_stream_before_a_restore_can_do_nothing_either) {
  const std::vector<std::string> restore = {"/bin/sh", "-c", FERRY_PROGRAM " restore - <" + image_};
  const auto outcome_of = [&](const char* what) {
    ::setenv("TAKEN_OVER", what, 1);
    return run_program(restore);
  };
  for (const char* what : {"write", "hypercall", "connect", "trace", "signal", "run"}) {
    const Outcome outcome = outcome_of(what);
    EXPECT_EQ(outcome.exit_code, 1) << what;
    EXPECT_THAT(outcome.err, HasSubstr("standard input was stopped: it asked the kernel for what"))
        << what;
    EXPECT_EQ(outcome.out, "") << what;
    EXPECT_FALSE(std::filesystem::exists(left())) << what;
  }
  for (const char* what : {"garbage", "leave", "crash"}) {
    const Outcome outcome = outcome_of(what);
    EXPECT_EQ(outcome.exit_code, 1) << what;
    EXPECT_THAT(outcome.err, HasSubstr("what reads standard input")) << what;
  }
  ::setenv("FERRY_SANDBOX", "no", 1);
  outcome_of("write");
  ::unsetenv("FERRY_SANDBOX");
  EXPECT_TRUE(std::filesystem::exists(left())) << "that was no attempt";
}

// The one thing that is refused and not stopped, since the C library itself asks for it.
TEST_F(TakenOver, readers_read_no_other_file) {
  for (const std::vector<std::string>& words : commands()) {
    const Outcome outcome = run("read", words);
    EXPECT_FALSE(failed(outcome)) << words[0] << ": " << outcome.err;
    EXPECT_THAT(outcome.out, Not(HasSubstr("TAKEN"))) << words[0];
  }
}

// That the attempts are ones: what has no sandbox does them.
TEST_F(TakenOver, readers_without_a_sandbox_do_as_they_like) {
  for (const char* what : {"read", "write", "connect", "signal", "run"}) {
    const Outcome outcome = run(what, {"audit", "--no-sandbox", image_});
    EXPECT_THAT(outcome.out, HasSubstr("TAKEN\n")) << what;
  }
  EXPECT_TRUE(std::filesystem::exists(left()));
}

}  // namespace
}  // namespace ferry::test
