// The image commands as they are run: what holds the process that reads, and that they do their
// work.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/sandbox/in_child.h"
#include "tests/sandbox/programs.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A file of /proc as its lines say: name, value without blanks around it.
std::map<std::string, std::string> status_of(pid_t pid) {
  std::map<std::string, std::string> values;
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    if (colon != std::string::npos)
      values[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
  }
  return values;
}

std::optional<pid_t> child_of(pid_t parent) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && status_of(pid)["PPid"] == std::to_string(parent)) return pid;
  }
  return std::nullopt;
}

// ferry, whose standard output nobody reads yet: it waits with the first page that it prints.
class Waiting {
 public:
  explicit Waiting(const std::vector<std::string>& words) {
    if (::pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    ::fcntl(ends_[1], F_SETPIPE_SZ, 4096);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends_[1], STDOUT_FILENO);
      std::vector<char*> argv;
      std::vector<std::string> copies = words;
      copies.insert(copies.begin(), FERRY_PROGRAM);
      for (std::string& word : copies) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(FERRY_PROGRAM, argv.data());
      ::_exit(127);
    }
    ::close(ends_[1]);
  }
  ~Waiting() {
    stop_reading();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  // What /proc says of the process that reads, once it prints.
  std::map<std::string, std::string> reader() const {
    for (int i = 0; i < 6000; ++i) {
      char byte;
      const std::optional<pid_t> child = child_of(pid_);
      if (child && ::read(ends_[0], &byte, 1) == 1) return status_of(*child);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return {};
  }
  pid_t pid() const { return pid_; }
  void stop_reading() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  int status() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  int ends_[2] = {-1, -1};
  pid_t pid_ = -1;
};

// Root may, but for one that is alone in its user namespace.
bool may_become_others() {
  return in_child([] {
           return ::setgroups(0, nullptr) == 0 && ::setresuid(65534, 65534, 65534) == 0 ? 0 : 1;
         })
      .exited_with(0);
}

TEST_F(SandboxedPrograms, read_in_a_process_without_rights) {
  Waiting ferry({"cat", "--hex", image_, "0x14"});
  auto reader = ferry.reader();
  EXPECT_EQ(reader["Seccomp"], "2");
  EXPECT_EQ(reader["NoNewPrivs"], "1");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
    EXPECT_EQ(reader[set], "0000000000000000") << set;
  if (may_become_others()) {
    EXPECT_EQ(reader["Uid"], "65534\t65534\t65534\t65534");
    EXPECT_EQ(reader["Gid"], "65534\t65534\t65534\t65534");
    EXPECT_THAT(reader["Groups"], IsEmpty());
    EXPECT_EQ(reader["CapBnd"], "0000000000000000");
  }
}

TEST_F(SandboxedPrograms, end_like_any_program_whose_output_nobody_reads) {
  Waiting ferry({"cat", "--hex", image_, "0x14"});
  ferry.reader();
  ferry.stop_reading();
  const int status = ferry.status();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

TEST_F(SandboxedPrograms, take_the_reader_with_them) {
  Waiting ferry({"cat", "--hex", image_, "0x14"});
  const pid_t reader = std::atoi(ferry.reader()["Pid"].c_str());
  ASSERT_GT(reader, 0);
  ::kill(ferry.pid(), SIGTERM);
  EXPECT_TRUE(WIFSIGNALED(ferry.status()));
  // It is nobody's child now: gone, or waited for by whoever adopts.
  for (int i = 0; i < 6000; ++i) {
    const std::string state = status_of(reader)["State"];
    if (state.empty() || state.front() == 'Z') return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "the reader runs on";
}

TEST_F(SandboxedPrograms, say_in_json_what_held_the_reader) {
  for (const char* command : {"audit", "inspect"}) {
    const json held = json::parse(ferry({command, "--json", image_}).out).at("sandbox");
    EXPECT_THAT(held, Contains("seccomp")) << command;
    EXPECT_THAT(held, Contains("no_capabilities")) << command;
    EXPECT_THAT(json::parse(ferry({command, "--no-sandbox", "--json", image_}).out).at("sandbox"),
                IsEmpty());
  }
}

TEST_F(SandboxedPrograms, do_the_same_without_it_and_say_so) {
  for (std::vector<std::string> words : commands()) {
    const std::string read = read_by(words);
    const Outcome inside = ferry(words);
    words.insert(words.begin() + 1, "--no-sandbox");
    const Outcome outside = ferry(words);
    EXPECT_EQ(inside.err, "") << words[0];
    EXPECT_EQ(outside.err, fmt::format("ferry: --no-sandbox: what reads {} has all the rights of "
                                       "this user\n",
                                       read));
    EXPECT_EQ(inside.exit_code, outside.exit_code) << words[0];
    EXPECT_EQ(inside.out, outside.out) << words[0];
  }
}

TEST_F(SandboxedPrograms, write_a_whole_file_for_its_owner_or_none) {
  const std::string made = folder_ / "made.save";
  EXPECT_EQ(ferry({"convert", "--to", "libxc", image_, made}).exit_code, 0);
  struct stat status = {};
  ASSERT_EQ(::stat(made.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_uid, ::geteuid());
  // The second page of a record that is damaged is found when the first is written.
  fs::resize_file(image_, fs::file_size(image_) - 1);
  const std::string other = folder_ / "other.save";
  EXPECT_EQ(ferry({"convert", "--to", "libxc", image_, other}).exit_code, 3);
  EXPECT_EQ(ferry({"inspect", "--html", other, image_}).exit_code, 3);
  EXPECT_FALSE(fs::exists(other));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

// Like a container whose own filter lets nobody install one.
void refuse_sandboxes() {
  const scmp_filter_ctx context = ::seccomp_init(SCMP_ACT_ALLOW);
  for (const int call : {SCMP_SYS(seccomp), SCMP_SYS(landlock_create_ruleset), SCMP_SYS(setresuid),
                         SCMP_SYS(setgroups)})
    ::seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), call, 0);
  ::seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
  ::seccomp_load(context);
  ::seccomp_release(context);
}

TEST_F(SandboxedPrograms, go_on_with_what_the_kernel_gives) {
  const Ended ended = in_child([&] {
    refuse_sandboxes();
    for (const std::vector<std::string>& words : commands()) {
      const Outcome outcome = ferry(words);
      if (failed(outcome)) return 1;
      if (outcome.err !=
          fmt::format("ferry: the kernel gives no seccomp (Operation not supported): "
                      "what reads {} is held by less\n",
                      read_by(words)))
        return 2;
    }
    const json held = json::parse(ferry({"audit", "--json", image_}).out).at("sandbox");
    return held == json::parse(R"(["no_new_privs", "no_capabilities", "limits"])") ? 0 : 3;
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

// Nobody's own files, by an ordinary user.
TEST_F(SandboxedPrograms, work_for_an_ordinary_user) {
  if (!may_become_others()) GTEST_SKIP() << "there is one user only: the other tests show it";
  constexpr unsigned kUser = 1234;
  ASSERT_EQ(::chown(folder_.c_str(), kUser, kUser), 0);
  ASSERT_EQ(::chown(image_.c_str(), kUser, kUser), 0);
  const Ended ended = in_child([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(kUser) != 0 || ::setuid(kUser) != 0) return 1;
    if (::access(FERRY_PROGRAM, X_OK) != 0) return 200;
    for (const std::vector<std::string>& words : commands()) {
      const Outcome outcome = ferry(words);
      if (outcome.err != "" || failed(outcome)) return 2;
    }
    const json held = json::parse(ferry({"audit", "--json", image_}).out).at("sandbox");
    return std::find(held.begin(), held.end(), "seccomp") != held.end() ? 0 : 3;
  });
  if (ended.exited_with(200)) GTEST_SKIP() << "only root can run this build";
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

}  // namespace
}  // namespace ferry::test
