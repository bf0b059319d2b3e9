// A receiver of which somebody who calls has taken over what decrypts and decodes
// (tests/sandbox/taken_over.cpp): nothing that they try works, and the receiver says so.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class TakenOverTls : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    hosts_.fresh();
  }

  std::string left() const { return hosts_.path("left"); }

  // A receiver that is taken over as soon as the handshake is done, and a guest that is sent to it.
  TwoHosts::Result send_to_one_that(const char* what,
                                    const std::map<std::string, std::string>& more = {}) {
    hosts_.extra_environment = {
        {"LD_PRELOAD", TAKEN_OVER_LIBRARY}, {"TAKEN_OVER_TLS", what}, {"TAKEN_OVER_PLACE", left()}};
    for (const auto& [name, value] : more) hosts_.extra_environment[name] = value;
    receiver_ = {};
    receiver_ = hosts_.receiver();
    hosts_.extra_environment.clear();
    return hosts_.run("a", {"migrate", "--quiet", "web1", hosts_.address()});
  }

  // Once those who look whether it listens are gone.
  std::string said() const { return receiver_.said(); }

  void expect_nothing_happened(const char* what, const TwoHosts::Result& moved) {
    EXPECT_EQ(moved.status, 1) << what << ": " << moved.said;
    EXPECT_THAT(said(), Not(HasSubstr("TAKEN"))) << what;
    EXPECT_FALSE(std::filesystem::exists(left())) << what;
    EXPECT_TRUE(hosts_.runs_on("a")) << what;
    EXPECT_TRUE(hosts_.open_jobs("b").empty()) << what;
  }

  TwoHosts hosts_;
  Running receiver_;
};

TEST_F(TakenOverTls, can_do_nothing_and_is_told_of) {
  for (const char* what : {"write", "hypercall", "store", "connect", "trace", "signal", "run"}) {
    expect_nothing_happened(what, send_to_one_that(what));
    EXPECT_THAT(said(), HasSubstr("what reads the connection from 127.0.0.1:")) << what;
    EXPECT_THAT(said(), HasSubstr("was stopped: it asked the kernel for what reading never needs, "
                                  "so whoever called may have taken it over"))
        << what;
  }
}

TEST_F(TakenOverTls, can_say_nothing_that_makes_no_sense) {
  expect_nothing_happened("garbage", send_to_one_that("garbage"));
  expect_nothing_happened("leave", send_to_one_that("leave"));
  EXPECT_THAT(said(), HasSubstr("ended before it said who calls"));
  expect_nothing_happened("crash", send_to_one_that("crash"));
  EXPECT_THAT(said(), HasSubstr("was ended by signal 6"));
}

// The one thing that is refused and not stopped, since the C library itself asks for it.
TEST_F(TakenOverTls, reads_no_other_file) {
  const TwoHosts::Result moved = send_to_one_that("read");
  EXPECT_EQ(moved.status, 0) << moved.said << said();
  EXPECT_THAT(said(), Not(HasSubstr("TAKEN")));
  EXPECT_TRUE(hosts_.runs_on("b"));
}

// That the attempts are ones: without a sandbox they succeed.
TEST_F(TakenOverTls, does_as_it_likes_without_a_sandbox) {
  send_to_one_that("write", {{"FERRY_SANDBOX", "no"}});
  EXPECT_TRUE(std::filesystem::exists(left()));
  EXPECT_THAT(said(), HasSubstr("what decodes connections has all the rights of this program"));
}

// The same over a command's standard input, where there is no TLS.
class TakenOverPipe : public TakenOverTls {
 protected:
  TwoHosts::Result send_over_one_that(const char* what, const std::string& more = "") {
    return hosts_.run(
        "a",
        {"migrate", "--quiet", "web1", "--via",
         fmt::format("env {} LD_PRELOAD={} TAKEN_OVER_FRAME={} TAKEN_OVER_PLACE={} {} "
                     "--host {} receive --stdio",
                     more, TAKEN_OVER_LIBRARY, what, left(), FERRY_SIM, hosts_.path("b.host"))});
  }
};

TEST_F(TakenOverPipe, can_do_nothing_and_is_told_of) {
  for (const char* what : {"write", "hypercall", "store", "connect", "trace", "signal", "run"}) {
    const TwoHosts::Result moved = send_over_one_that(what);
    expect_nothing_happened(what, moved);
    EXPECT_THAT(moved.said, Not(HasSubstr("TAKEN\n"))) << what;
    EXPECT_THAT(moved.said,
                HasSubstr("what reads standard input was stopped: it asked the kernel for what "
                          "reading never needs, so whoever called may have taken it over"))
        << what;
  }
}

TEST_F(TakenOverPipe, can_say_nothing_that_makes_no_sense) {
  expect_nothing_happened("garbage", send_over_one_that("garbage"));
  expect_nothing_happened("leave", send_over_one_that("leave"));
  const TwoHosts::Result crashed = send_over_one_that("crash");
  expect_nothing_happened("crash", crashed);
  EXPECT_THAT(crashed.said, HasSubstr("was ended by signal 6"));
}

TEST_F(TakenOverPipe, does_as_it_likes_without_a_sandbox) {
  const TwoHosts::Result moved = send_over_one_that("write", "FERRY_SANDBOX=no");
  EXPECT_TRUE(std::filesystem::exists(left()));
  EXPECT_THAT(moved.said, HasSubstr("what decodes connections has all the rights"));
}

}  // namespace
}  // namespace ferry::test
