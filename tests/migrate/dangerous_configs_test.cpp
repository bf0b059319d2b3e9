// A source that configures its guest to get more than a guest: the destination refuses it before
// anything is made or written down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "migrate/job_journal.h"
#include "migrate/receive_guest.h"
#include "tests/config/dangerous_configs.h"
#include "tests/files/folder.h"
#include "xen/uuid.h"

namespace ferry {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DangerousConfigs : public testing::Test {
 protected:
  void SetUp() override {
    setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1);
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    setenv("FERRY_DISK_FOLDERS", "/srv", 1);
    setenv("FERRY_SCRIPT_FOLDER", folder_.path("scripts").c_str(), 1);
  }
  void TearDown() override {
    for (const char* name :
         {"FERRY_STATE_DIR", "FERRY_RUN_DIR", "FERRY_DISK_FOLDERS", "FERRY_SCRIPT_FOLDER"})
      unsetenv(name);
  }

  static v1::MigrateFrame hello(const std::string& config) {
    v1::MigrateFrame frame;
    v1::MigrateHello& hello = *frame.mutable_hello();
    hello.set_version(kMigrateVersion);
    hello.set_job(job_bytes_of(new_job_id()));
    hello.set_name("web1");
    const DomainUuid uuid = uuid_of("8d7e0000-0000-4000-8000-0000000000aa");
    hello.set_uuid(std::string(uuid.begin(), uuid.end()));
    hello.set_secret(new_secret());
    hello.set_libxl_json(config);
    return frame;
  }

  // The first thing that the destination answers.
  std::string refusal(const v1::MigrateFrame& frame, bool trusted) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    std::thread receiver([&, fd = fds[1]] {
      FdSource in(fd, "the source");
      FdSink out(fd, "the source");
      Link link(in, out);
      ReceiveHost host;
      host.make = [&](const MigrationJob&) -> std::unique_ptr<IncomingGuest> {
        made_ = true;
        fail(Errc::internal, "this is as far as the test goes");
      };
      host.trusts = [&](const Caller& caller) { return trusted && !caller.names.empty(); };
      try {
        receive_guest(link, first_frame(link), {"source (192.0.2.1)", {"source"}}, host);
      } catch (const Error&) {
      }
      shutdown(fd, SHUT_RDWR);
    });
    FdSource in(fds[0], "the destination");
    FdSink out(fds[0], "the destination");
    Link link(in, out);
    link.send(frame);
    const auto answer = link.receive();
    receiver.join();
    close(fds[0]);
    close(fds[1]);
    return answer ? answer->refusal() : std::string();
  }

  TestFolder folder_;
  bool made_ = false;
};

TEST_F(DangerousConfigs, each_is_refused_by_its_key_and_leaves_nothing) {
  for (const test::DangerousConfig& config : test::dangerous_configs())
    EXPECT_THAT(refusal(hello(config.json()), false),
                AllOf(HasSubstr("asks for what is not taken unseen"), HasSubstr(config.key),
                      HasSubstr("trust_config_from")))
        << config.patch;
  EXPECT_FALSE(made_);
  EXPECT_TRUE(list_jobs(true).empty());
}

TEST_F(DangerousConfigs, a_trusted_source_may_send_it) {
  EXPECT_THAT(refusal(hello(test::dangerous_configs().front().json()), true),
              HasSubstr("as far as the test goes"));
  EXPECT_TRUE(made_);
}

TEST_F(DangerousConfigs, not_even_a_trusted_one_sends_two_meanings) {
  const std::string twice = R"({"c_info": {"name": "web1", "name": "web2"}})";
  EXPECT_THAT(refusal(hello(twice), true), HasSubstr("the key name twice"));
  const std::string other = R"({"c_info": {"name": "web2"}})";
  EXPECT_THAT(refusal(hello(other), true), HasSubstr("that of web2, not of web1"));
  const std::string uuid = R"({"c_info": {"uuid": "8d7e0000-0000-4000-8000-0000000000ab"}})";
  EXPECT_THAT(refusal(hello(uuid), true), HasSubstr("uuid of another guest"));
  EXPECT_FALSE(made_);
}

}  // namespace
}  // namespace ferry
