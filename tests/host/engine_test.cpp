// The other end of the conversation: however the engine ends, its parent knows how.
#include "host/engine.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "error/error.h"

namespace ferry::host {
namespace {

struct Outcome {
  bool suspended = false;
  int progress = 0;
  std::string error;
  std::string written;
};

Outcome run(const char* fake, bool guest_suspends = true) {
  setenv("FERRY_SAVE_HELPER", FAKE_HELPER, 1);
  setenv("FAKE", fake, 1);
  FILE* file = std::tmpfile();
  Outcome result;
  EngineCallbacks callbacks;
  callbacks.suspend = [&] { return result.suspended = guest_suspends; };
  callbacks.progress = [&](const std::string&, uint64_t, uint64_t) {
    ++result.progress;
    if (std::string(fake) == "wait") kill(getpid(), SIGINT);
  };
  try {
    run_save_engine(domid_t{3}, fileno(file), {}, callbacks);
  } catch (const Error& e) {
    result.error = e.what();
  }
  char bytes[16] = {};
  std::rewind(file);
  result.written.assign(bytes, std::fread(bytes, 1, sizeof bytes, file));
  std::fclose(file);
  return result;
}

TEST(Engine, success_is_silent_and_the_image_is_in_the_file) {
  const Outcome result = run("works");
  EXPECT_EQ(result.error, "");
  EXPECT_TRUE(result.suspended);
  EXPECT_EQ(result.progress, 1);
  EXPECT_EQ(result.written, "image");
}

TEST(Engine, a_failure_is_told_in_the_engines_own_words) {
  EXPECT_EQ(run("fails").error, "the disk is full");
}

TEST(Engine, a_guest_that_does_not_suspend_fails_the_save) {
  EXPECT_EQ(run("works", false).error, "the disk is full");
}

TEST(Engine, a_killed_engine_is_named_with_its_signal) {
  EXPECT_NE(run("killed").error.find("signal 9"), std::string::npos);
}

TEST(Engine, an_engine_that_says_nothing_or_nonsense_has_failed) {
  EXPECT_NE(run("wordless").error.find("exit status 3"), std::string::npos);
  EXPECT_NE(run("garbage").error, "");
  EXPECT_NE(run("torn").error, "");
  EXPECT_NE(run("bad status").error, "");
}

TEST(Engine, ctrl_c_reaches_the_engine_and_not_us) {
  EXPECT_NE(run("wait").error.find("signal 15"), std::string::npos);
}

TEST(Engine, a_helper_that_is_not_there_has_failed) {
  setenv("FERRY_SAVE_HELPER", "/nowhere/helper", 1);
  EXPECT_THROW(run_save_engine(domid_t{3}, 1, {}, {}), Error);
}

}  // namespace
}  // namespace ferry::host
