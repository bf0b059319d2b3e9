// A receiver without rights that hands each job over to a process of its own, as the units do:
// systemd-socket-activate stands for ferry-job.socket. The receiver knows no host at all.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "error/error.h"
#include "network/pass_descriptor.h"
#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int kAnswerMs = 30'000;

class HandedJobs : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    hosts_.fresh();
  }

  std::string socket() const { return hosts_.path("job.socket"); }

  // What starts a process for each job. more: settings of those.
  void start_jobs(const std::map<std::string, std::string>& more = {}) {
    std::vector<std::string> command = {"systemd-socket-activate", "--accept", "--seqpacket",
                                        "--listen=" + socket()};
    std::map<std::string, std::string> environment = hosts_.environment("b");
    for (const auto& [name, value] : more) environment[name] = value;
    for (const auto& [name, value] : environment)
      command.push_back(fmt::format("--setenv={}={}", name, value));
    for (const char* word : {FERRY_SIM, "receive", "--job"}) command.push_back(word);
    jobs_ = Running(command, {}, hosts_.path("said.jobs"));
    for (int tries = 0; tries < 1000 && !std::filesystem::exists(socket()); ++tries)
      std::this_thread::sleep_for(10ms);
  }
  void start_receiver() {
    hosts_.extra_environment["FERRY_SIM_HOST"] = "/nonexistent/no.host";
    receiver_ = hosts_.receiver({"--jobs", socket()});
    hosts_.extra_environment.clear();
  }

  TwoHosts::Result migrate(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"migrate", "--quiet", "web1", hosts_.address()};
    words.insert(words.end(), more.begin(), more.end());
    return hosts_.run("a", words);
  }
  void expect_it_came(const TwoHosts::Result& moved) {
    EXPECT_EQ(moved.status, 0) << moved.said << "\nreceiver: " << receiver_.said()
                               << "\njobs: " << jobs_.said();
    EXPECT_TRUE(hosts_.runs_on("b"));
    EXPECT_TRUE(hosts_.open_jobs("b").empty());
  }

  bool has_a_job() const {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(hosts_.path("b.host.jobs"), none))
      if (entry.path().extension() == ".destination") return true;
    return false;
  }

  TwoHosts hosts_;
  Running jobs_, receiver_;
};

TEST_F(HandedJobs, bring_a_guest_over_several_connections) {
  start_jobs();
  start_receiver();
  EXPECT_EQ(hosts_.run("a", {"check", "web1", hosts_.address()}).status, 0);
  expect_it_came(migrate({"--streams", "3"}));
  EXPECT_THAT(jobs_.said(), HasSubstr("web1 runs here"));
}

TEST_F(HandedJobs, go_on_when_what_they_came_from_is_stopped) {
  start_jobs();
  start_receiver();
  Running moving =
      hosts_.start("a", {"migrate", "--quiet", "--bandwidth", "1", "web1", hosts_.address()});
  for (int tries = 0; tries < 10'000 && !has_a_job(); ++tries) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE(has_a_job()) << moving.said();
  moving.send(SIGSTOP);  // so that it is not over meanwhile
  receiver_.send(SIGTERM);
  EXPECT_EQ(receiver_.wait(), 0);
  ASSERT_EQ(moving.wait(0.001), -1) << "it was over before";
  moving.send(SIGCONT);
  EXPECT_EQ(moving.wait(), 0) << moving.said() << "\nreceiver: " << receiver_.said();
  EXPECT_TRUE(hosts_.runs_on("b"));
}

TEST_F(HandedJobs, are_left_in_order_when_the_source_calls_again_or_goes) {
  start_jobs();
  start_receiver();
  Running moving =
      hosts_.start("a", {"migrate", "--quiet", "--bandwidth", "1", "web1", hosts_.address()});
  for (int tries = 0; tries < 10'000 && !has_a_job(); ++tries) std::this_thread::sleep_for(5ms);
  moving.send(SIGINT);
  EXPECT_EQ(moving.wait(), 1) << moving.said();
  EXPECT_TRUE(hosts_.runs_on("a"));
  for (int tries = 0; tries < 2000 && !hosts_.open_jobs("b").empty(); ++tries)
    std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(hosts_.open_jobs("b").empty()) << jobs_.said();
  expect_it_came(migrate());
}

TEST_F(HandedJobs, judge_for_themselves_who_may_send) {
  start_jobs({{"FERRY_RECEIVE_FROM", "c.example"}});
  start_receiver();
  const TwoHosts::Result moved = migrate();
  EXPECT_EQ(moved.status, 1);
  EXPECT_THAT(moved.said, HasSubstr("guests are taken from c.example only, not from a.example"));
  EXPECT_TRUE(hosts_.runs_on("a"));
  EXPECT_FALSE(has_a_job());
}

TEST_F(HandedJobs, are_refused_where_nobody_serves_them) {
  start_receiver();
  const TwoHosts::Result moved = migrate();
  EXPECT_EQ(moved.status, 1);
  EXPECT_THAT(moved.said, HasSubstr("nobody serves jobs at " + socket()));
  EXPECT_TRUE(hosts_.runs_on("a"));
}

// What somebody says who has taken the receiver over.
class ForgedJobs : public HandedJobs {
 protected:
  void SetUp() override {
    HandedJobs::SetUp();
    start_jobs();
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    connection_.reset(ends[0]);
    theirs_.reset(ends[1]);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    control_.reset(ends[0]);
    their_control_.reset(ends[1]);
  }

  // The job's answer; "gone" if there is none.
  std::string hand_over(const std::string& words, int connection, int control) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = socket();
    std::copy(path.begin(), path.end(), address.sun_path);
    job_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (connect(job_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return "not there";
    try {
      pass_message(job_.get(), words, connection);
      pass_message(job_.get(), "control", control);
    } catch (const Error&) {  // it may have left
    }
    return answer();
  }
  std::string answer() {
    try {
      const auto message = take_message(job_.get(), kAnswerMs);
      return message ? message->text : "nothing";
    } catch (const Error&) {
      return "gone";
    }
  }

  Descriptor connection_, theirs_, control_, their_control_, job_;
  const std::string good_ = "ferry job 1\n192.0.2.1:4711\na.example";
};

TEST_F(ForgedJobs, are_refused_unless_they_have_the_right_form) {
  EXPECT_THAT(hand_over("ferry job 99\n192.0.2.1:4711\na.example", theirs_.get(), control_.get()),
              HasSubstr("of another version of ferry"));
  EXPECT_THAT(hand_over(std::string(8192, 'x'), theirs_.get(), control_.get()),
              HasSubstr("of another version of ferry"));
  for (const char* words :
       {"ferry job 1\n192.0.2.1:4711\n", "ferry job 1\n\na.example",
        "ferry job 1\n192.0.2.1:4711\na.example b.\x1b[31mexample",
        "ferry job 1\nhere and there\na", "ferry job 1\n192.0.2.1:4711\na.example  b.example"})
    EXPECT_THAT(hand_over(words, theirs_.get(), their_control_.get()), HasSubstr("no proper names"))
        << words;
}

TEST_F(ForgedJobs, are_refused_without_sockets_of_the_right_kind) {
  const Descriptor file(open("/dev/zero", O_RDWR | O_CLOEXEC));
  const Descriptor tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {-1, file.get(), tcp.get(), their_control_.get()})
    EXPECT_THAT(hand_over(good_, fd, their_control_.get()), HasSubstr("without its connections"))
        << fd;
  for (const int fd : {-1, file.get(), theirs_.get()})
    EXPECT_THAT(hand_over(good_, theirs_.get(), fd), HasSubstr("without its connections")) << fd;
}

TEST_F(ForgedJobs, that_say_what_makes_no_sense_come_to_nothing) {
  ASSERT_EQ(hand_over(good_, theirs_.get(), their_control_.get()), "+");
  theirs_.reset();
  const std::string garbage(100'000, '\xff');
  send(connection_.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  EXPECT_EQ(answer(), "gone");
  const auto said = [&] {
    return jobs_.said().find("says what makes no sense") != std::string::npos;
  };
  for (int tries = 0; tries < 500 && !said(); ++tries) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(said()) << jobs_.said();
  EXPECT_FALSE(has_a_job());
}

}  // namespace
}  // namespace ferry::test
