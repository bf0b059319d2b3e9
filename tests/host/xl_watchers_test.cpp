// A process that says that it is xl and waits for a domain: found, held and let go on.
#include "host/xl_watchers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "error/error.h"
#include "files/process_start.h"
#include "host/detached.h"
#include "io/descriptor.h"

namespace ferry::host {
namespace {

using namespace std::chrono_literals;

const domid_t kDomain{31'007};  // no machine has as many

std::filesystem::path folder() {
  static const std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "ferry-xl-XXXXXX").string();
    return std::filesystem::path(mkdtemp(name.data()));
  }();
  return path;
}

template <typename Condition>
bool soon(Condition holds) {
  for (const auto until = std::chrono::steady_clock::now() + 20s;
       std::chrono::steady_clock::now() < until; std::this_thread::sleep_for(5ms))
    if (holds()) return true;
  return false;
}

// Waits until it is killed, with its standard output in a log; both as xl has it.
class Process {
 public:
  explicit Process(const std::string& program, const std::string& what_it_says) {
    const std::filesystem::path image = folder() / program, log = folder() / "xl-guest.log";
    if (!std::filesystem::exists(image)) std::filesystem::copy_file("/bin/sleep", image);
    Descriptor out(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out.get(), STDOUT_FILENO);
      execl(image.c_str(), program.c_str(), "1000", nullptr);
      _exit(127);
    }
    const std::string name = fmt::format("/proc/{}/comm", pid_);
    EXPECT_TRUE(soon([&] {
      std::string now;
      std::getline(std::ifstream(name), now);
      return now == program;
    }));
    std::ofstream(log, std::ios::app) << fmt::format(fmt::runtime(what_it_says), pid_);
  }
  ~Process() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  char state() const {
    std::string stat;
    std::getline(std::ifstream(fmt::format("/proc/{}/stat", pid_)), stat);
    return stat.at(stat.rfind(')') + 2);
  }

 private:
  pid_t pid_ = -1;
};

constexpr char kWaits[] = "Waiting for domain web1 (domid 31007) to die [pid {}]\n";

TEST(XlWatchers, finds_who_waits_for_the_domain) {
  const Process xl("xl", kWaits);
  const auto found = xl_watchers_of(kDomain);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pid, xl.pid());
  EXPECT_EQ(found[0].start, process_start(xl.pid()));
  EXPECT_TRUE(xl_watchers_of(domid_t{1007}).empty());
  EXPECT_TRUE(xl_watchers_of(domid_t{31'008}).empty());
}

TEST(XlWatchers, after_a_reboot_the_last_domain_counts) {
  const Process xl("xl",
                   "Waiting for domain web1 (domid 31006) to die [pid {0}]\n"
                   "Domain 31006 has shut down, reason code 1 0x1\nAction for shutdown reason code "
                   "1 is restart\nWaiting for domain web1 (domid 31007) to die [pid {0}]\n");
  EXPECT_EQ(xl_watchers_of(kDomain).size(), 1u);
  EXPECT_TRUE(xl_watchers_of(domid_t{31'006}).empty());
}

TEST(XlWatchers, nobody_else_is_taken_for_one) {
  {
    const Process other("xm", kWaits);
    EXPECT_TRUE(xl_watchers_of(kDomain).empty()) << "another program";
  }
  {
    const Process quoting("xl", "Waiting for domain web1 (domid 31007) to die [pid 1{0}]\n");
    EXPECT_TRUE(xl_watchers_of(kDomain).empty()) << "another process";
  }
  const Process silent("xl", "");
  EXPECT_TRUE(xl_watchers_of(kDomain).empty());
}

// Plays ferry-save-helper: a script that writes down what it was called with.
std::filesystem::path script(const std::string& body) {
  const std::filesystem::path path = folder() / "helper";
  std::ofstream(path) << "#!/bin/sh\n" << body;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

std::string line_of(const std::filesystem::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

TEST(XlWatchers, are_held_and_somebody_else_can_let_them_go_on) {
  const Process xl("xl", kWaits);
  const std::filesystem::path words = folder() / "words";
  const auto helper = script(fmt::format("echo \"$*\" >{0}.new; mv {0}.new {0}\n", words.string()));
  DomainInfo domain;
  domain.domid = kDomain;
  hold_xl_watchers(domain, helper);
  EXPECT_TRUE(soon([&] { return xl.state() == 'T'; }));
  EXPECT_TRUE(soon([&] { return std::filesystem::exists(words); }));
  const std::string line = line_of(words);
  EXPECT_TRUE(line.starts_with("--release-watchers 31007 " + uuid_text(domain.uuid))) << line;
  const XlWatcher named = watcher_in(line.substr(line.rfind(' ') + 1));
  EXPECT_EQ(named.pid, xl.pid());
  let_xl_watchers_go_on({named});
  EXPECT_TRUE(soon([&] { return xl.state() == 'S'; }));
}

TEST(XlWatchers, are_left_alone_where_nobody_would_let_them_go_on) {
  const Process xl("xl", kWaits);
  DomainInfo domain;
  domain.domid = kDomain;
  hold_xl_watchers(domain, folder() / "no-such-helper");
  EXPECT_TRUE(soon([&] { return xl.state() == 'S'; })) << "it may not have come to wait yet";
}

TEST(XlWatchers, a_later_process_of_that_number_gets_no_signal) {
  const Process xl("xl", kWaits);
  kill(xl.pid(), SIGSTOP);
  ASSERT_TRUE(soon([&] { return xl.state() == 'T'; }));
  let_xl_watchers_go_on({{xl.pid(), process_start(xl.pid()) + 1}});
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(xl.state(), 'T');
}

TEST(XlWatchers, what_names_no_process_is_refused) {
  for (const char* word : {"", "1:5", "x:5", "12", "12:", "12:x", "12:5x", ":5", "-1:5"})
    EXPECT_THROW(watcher_in(word), Error) << word;
  EXPECT_EQ(watcher_in("812:77").pid, 812);
}

// What is looked at, one after the other; the last for ever. How often it was looked.
int looks_until_let_go(const std::vector<Standing>& standings, bool starter_lives) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Descriptor starter(ends[0]);
  Descriptor ours(ends[1]);
  if (!starter_lives) ours.reset();
  int looks = 0;
  const volatile int never = 0;
  wait_until_let_go(
      starter.get(),
      [&] {
        const size_t at = static_cast<size_t>(looks++);
        return standings[std::min(at, standings.size() - 1)];
      },
      never);
  return looks;
}

TEST(XlWatchers, go_on_once_the_guest_runs_again_or_is_gone) {
  using enum Standing;
  for (const bool starter_lives : {true, false}) {
    EXPECT_EQ(looks_until_let_go({suspended, suspended, runs}, starter_lives), 3);
    EXPECT_EQ(looks_until_let_go({suspended, gone}, starter_lives), 2);
    EXPECT_EQ(looks_until_let_go({gone}, starter_lives), 1);
  }
  // It has not suspended yet, and may still.
  EXPECT_EQ(looks_until_let_go({runs, runs, suspended, runs}, true), 4);
  // Nobody is left who would ask it to.
  EXPECT_EQ(looks_until_let_go({runs}, false), 2);
}

TEST(XlWatchers, go_on_when_who_holds_them_is_told_to_end) {
  const volatile int told = 1;
  wait_until_let_go(
      -1, [] { return Standing::suspended; }, told);
}

std::string pipe_behind(int fd) {
  return std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd)).string();
}

TEST(Detached, has_what_it_is_given_and_nothing_else) {
  int ends[2], others[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(pipe(others), 0);
  Descriptor from(ends[0]), to(ends[1]);
  const Descriptor leaked_from(others[0]), leaked_to(others[1]);
  const std::string given = pipe_behind(to.get()), other = pipe_behind(leaked_to.get());
  const auto program = script(fmt::format("readlink /proc/$$/fd/* >&{}\n", to.get()));
  ASSERT_TRUE(start_detached(program, {"a-name"}, {to.get()}));
  to.reset();
  std::string said;
  char buffer[256];
  for (ssize_t n; (n = read(from.get(), buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<size_t>(n));
  EXPECT_NE(said.find(given + "\n"), std::string::npos) << said;
  EXPECT_NE(said.find("/dev/null\n"), std::string::npos) << said;
  EXPECT_EQ(said.find(other + "\n"), std::string::npos) << said;
}

TEST(Detached, says_so_if_it_cannot_start) {
  EXPECT_FALSE(start_detached("/no/such/program", {"a-name"}, {}));
}

}  // namespace
}  // namespace ferry::host
