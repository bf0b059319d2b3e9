// A receiver that somebody wants to keep busy: whatever callers do who have proven nothing, a
// migration that begins meanwhile succeeds. And what only the two hosts of a job can do to it.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;

// The clear bytes that open a connection: ferry's mark, a job's number or anything, a stream.
std::string opening(const std::string& job, char stream = 0) {
  std::string bytes = "FERRYTCP" + job;
  bytes.resize(24, '\0');
  bytes.push_back(stream);
  bytes.resize(32, '\0');
  return bytes;
}

class Receiver : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    rlimit most{};
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    hosts_.fresh();
    receiver_ = hosts_.receiver();
  }

  // A connection that has said so much, from an address that is not the source's: of one address
  // the receiver takes so many only, and the source would stand in line with whoever floods it.
  bool call(const std::string& bytes) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!bound(bind, socket, INADDR_LOOPBACK + 1, 0) ||
        !bound(connect, socket, INADDR_LOOPBACK, port()))
      return false;
    const bool said = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
    open_.push_back(std::move(socket));
    return said;
  }
  static bool bound(int (*call)(int, const sockaddr*, socklen_t), const Descriptor& socket,
                    uint32_t host, uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(host);
    address.sin_port = htons(port);
    return call(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  uint16_t port() const {
    const std::string address = hosts_.address();
    return static_cast<uint16_t>(std::stoul(address.substr(address.find(':') + 1)));
  }

  void expect_a_migration_succeeds() {
    const TwoHosts::Result moved =
        hosts_.run("a", {"migrate", "--quiet", "web1", hosts_.address()});
    EXPECT_EQ(moved.status, 0) << moved.said << receiver_.said().substr(0, 2000);
    EXPECT_TRUE(hosts_.runs_on("b"));
    EXPECT_TRUE(hosts_.open_jobs("b").empty());
  }

  // Of the receiver and its processes.
  size_t processes() const {
    size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      n += getpgid(static_cast<pid_t>(std::stol(name))) == receiver_.pid();
    }
    return n;
  }
  size_t descriptors() const {
    return static_cast<size_t>(std::distance(
        std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", receiver_.pid())), {}));
  }

  // It can be connected to before that, and the kernel lets who connects wait.
  void wait_until_it_serves() const {
    for (int tries = 0; tries < 6000 && !takes_signals(); ++tries)
      std::this_thread::sleep_for(10ms);
  }
  bool takes_signals() const {
    std::error_code none;
    for (const auto& fd :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", receiver_.pid()), none))
      if (std::filesystem::read_symlink(fd, none) == "anon_inode:[signalfd]") return true;
    return false;
  }

  TwoHosts hosts_;
  Running receiver_;
  std::vector<Descriptor> open_;
};

TEST_F(Receiver, serves_a_host_while_others_are_slow) {
  std::mt19937 random(1);
  for (int i = 0; i < 64; ++i) {
    std::string job(16, '\0');
    for (char& c : job) c = static_cast<char>(random());
    ASSERT_TRUE(call(opening(job) + "\x16"));
  }
  std::this_thread::sleep_for(500ms);
  for (const Descriptor& one : open_) send(one.get(), "\x03", 1, MSG_NOSIGNAL);
  expect_a_migration_succeeds();
}

TEST_F(Receiver, serves_a_host_while_others_send_garbage) {
  std::mt19937 random(2);
  for (int i = 0; i < 100; ++i) {
    std::string garbage(300, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    call(i % 2 ? garbage : opening("0123456789abcdef") + garbage);
  }
  expect_a_migration_succeeds();
}

TEST_F(Receiver, serves_a_host_while_one_job_is_called_for_1600_times) {
  wait_until_it_serves();
  const size_t before = descriptors();
  unsigned answered = 0;
  for (int i = 0; i < 1600; ++i) answered += call(opening("0123456789abcdef"));
  EXPECT_GT(answered, 100u);
  EXPECT_LT(descriptors(), 500u);
  EXPECT_LT(processes(), 100u);
  expect_a_migration_succeeds();
  open_.clear();
  for (int tries = 0; tries < 200 && (descriptors() > before || processes() > 1); ++tries)
    std::this_thread::sleep_for(100ms);
  EXPECT_LE(descriptors(), before);
  EXPECT_EQ(processes(), 1u);
}

// Whoever listens on the network sees these bytes, and sends them too.
TEST_F(Receiver, goes_on_with_a_job_whose_opening_is_replayed) {
  std::atomic<bool> done = false;
  std::thread replay([&] {
    while (!done) {
      std::error_code ignored;
      for (const auto& entry :
           std::filesystem::directory_iterator(hosts_.path("b.host.jobs"), ignored)) {
        if (entry.path().extension() != ".destination") continue;
        const std::string id = entry.path().stem();
        std::string job;
        for (size_t i = 0; i + 1 < id.size(); i += 2)
          job.push_back(static_cast<char>(std::stoul(id.substr(i, 2), nullptr, 16)));
        call(opening(job));
        call(opening(job, 1));
      }
      std::this_thread::sleep_for(5ms);
    }
  });
  const TwoHosts::Result moved =
      hosts_.run("a", {"migrate", "--quiet", "web1", hosts_.address(), "--streams", "3"});
  done = true;
  replay.join();
  EXPECT_EQ(moved.status, 0) << moved.said << receiver_.said().substr(0, 2000);
  EXPECT_TRUE(hosts_.runs_on("b"));
}

TEST_F(Receiver, is_not_reached_with_a_certificate_that_was_revoked) {
  hosts_.extra_environment["FERRY_TLS_CRL"] = hosts_.certificates.revoke({});
  receiver_ = {};
  receiver_ = hosts_.receiver();
  hosts_.certificates.revoke({hosts_.files_a});  // read anew for each connection
  const TwoHosts::Result refused =
      hosts_.run("a", {"migrate", "--quiet", "web1", hosts_.address()});
  EXPECT_EQ(refused.status, 1) << refused.said;
  EXPECT_TRUE(hosts_.runs_on("a"));
  EXPECT_NE(receiver_.said().find("certificate revoked"), std::string::npos) << receiver_.said();
}

TEST_F(Receiver, hears_over_a_command_what_came_instead_of_ferry) {
  const TwoHosts::Result result = hosts_.run(
      "a", {"migrate", "--quiet", "web1", "--via", "echo 'Welcome to host2'; cat >/dev/null"});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.said.find("it says: Welcome to host2"), std::string::npos) << result.said;
  EXPECT_TRUE(hosts_.runs_on("a"));
}

}  // namespace
}  // namespace ferry::test
