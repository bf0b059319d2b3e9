// The control socket of a live save, spoken to as an operator's script would.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "error/error.h"
#include "host/control_socket.h"

namespace ferry::helper {
namespace {

class Control : public ::testing::Test {
 protected:
  std::string path_ =
      std::filesystem::temp_directory_path() / fmt::format("ferry-control-{}", getpid());
  LiveControl control_;
  std::atomic<int> stops_{0};
};

class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(fd_); }
  bool connected() const { return connected_; }

  std::string ask(const std::string& request) {
    EXPECT_EQ(write(fd_, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    return line();
  }
  std::string line() {
    std::string line;
    for (char c; read(fd_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

 private:
  int fd_;
  bool connected_ = false;
};

TEST_F(Control, TellsWhereTheSaveIs) {
  ControlSocket socket(path_, control_, [] {});
  LiveProgress p;
  p.phase = "sending";
  p.round = 3;
  p.pages_total = 1000;
  p.pages_left = 10;
  p.expected_downtime_us = 70'500;
  socket.update(p);
  Client client(path_);
  ASSERT_TRUE(client.connected());
  const std::string status = client.ask("status\n");
  for (const char* part :
       {"\"phase\": \"sending\"", "\"memory_iteration\": 3", "\"memory_total\": 4096000",
        "\"memory_remaining\": 40960", "\"downtime\": 70,"})
    EXPECT_NE(status.find(part), std::string::npos) << status;
}

TEST_F(Control, ChangesBandwidthAndTargetAndCancels) {
  ControlSocket socket(path_, control_, [this] { ++stops_; });
  Client client(path_);
  EXPECT_EQ(client.ask("set bandwidth 1\n"), "{\"ok\": true}");
  EXPECT_EQ(control_.bytes_per_second, 1048576u);
  EXPECT_EQ(client.ask("set max_downtime 250\n"), "{\"ok\": true}");
  EXPECT_EQ(control_.max_downtime_us, 250'000u);
  EXPECT_EQ(client.ask("set max_downtime \"0\xff\n"),
            "{\"error\":\"max_downtime is \\\"\\\"0\uFFFD\\\", but must be a number from 1 to "
            "3600000\"}");
  EXPECT_EQ(stops_, 0);
  EXPECT_EQ(client.ask("cancel\n"), "{\"ok\": true}");
  EXPECT_EQ(stops_, 1);
}

TEST_F(Control, ChangesNothingOfASaveWhoseGuestStandsStill) {
  ControlSocket socket(
      path_, control_, [this] { ++stops_; }, false);
  Client client(path_);
  EXPECT_NE(client.ask("set bandwidth 1\n").find("stands still"), std::string::npos);
  EXPECT_EQ(control_.bytes_per_second, 0u);
  EXPECT_EQ(client.ask("cancel\n"), "{\"ok\": true}");
  EXPECT_EQ(stops_, 1);
}

TEST_F(Control, AnswersWhatItDoesNotUnderstandAndGoesOn) {
  ControlSocket socket(path_, control_, [] {});
  Client client(path_);
  for (const char* bad : {"\n", "set\n", "set bandwidth\n", "set bandwidth -1\n",
                          "set bandwidth 1 2\n", "set level 2\n", "bandwidth 1\n", "stop it\n"})
    EXPECT_NE(client.ask(bad).find("error"), std::string::npos) << bad;
  // Requests may come in pieces and several at once.
  EXPECT_EQ(client.ask("set bandwi"
                       "dth 5\nset bandwidth 6\n"),
            "{\"ok\": true}");
  EXPECT_EQ(client.line(), "{\"ok\": true}");
  EXPECT_EQ(control_.bytes_per_second, 6u << 20);
}

TEST_F(Control, HangsUpOnEndlessRequestsAndServesOthers) {
  ControlSocket socket(path_, control_, [] {});
  Client endless(path_), other(path_);
  EXPECT_EQ(endless.ask(std::string(400, 'x')), "");
  EXPECT_NE(other.ask("status\n").find("memory_total"), std::string::npos);
}

TEST_F(Control, BelongsToItsOwnerAloneAndIsGoneAfterwards) {
  {
    ControlSocket socket(path_, control_, [] {});
    struct stat status = {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Control, DoesNotTakeThePlaceOfAnotherThatListens) {
  ControlSocket socket(path_, control_, [] {});
  EXPECT_THROW(ControlSocket(path_, control_, [] {}), Error);
  EXPECT_EQ(Client(path_).ask("set bandwidth 0\n"), "{\"ok\": true}");
}

TEST_F(Control, TakesThePlaceOfASocketThatWasLeftButOfNothingElse) {
  { std::ofstream(path_) << "precious"; }
  EXPECT_THROW(ControlSocket(path_, control_, [] {}), Error);
  EXPECT_TRUE(std::filesystem::exists(path_));
  std::filesystem::remove(path_);
  EXPECT_THROW(ControlSocket(std::string(200, 'a'), control_, [] {}), Error);
}

}  // namespace
}  // namespace ferry::helper
