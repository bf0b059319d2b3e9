// Programs that a test starts and watches.
#include "tests/pairs/programs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace ferry::pairs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

// It counts as idle after so long without running.
constexpr auto kIdle = 120ms;

struct Activity {
  bool sleeps = true;
  uint64_t cpu = 0;  // clock ticks
};

// Of every process of that session.
Activity activity_of(pid_t session) {
  Activity all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    if (!isdigit(static_cast<unsigned char>(entry.path().filename().native()[0]))) continue;
    const std::string text = text_of(entry.path() / "stat");
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream rest(text.substr(name_end + 1));
    char state = 0;
    long parent = 0, group = 0, its_session = 0, skip = 0;
    uint64_t user = 0, system = 0;
    rest >> state >> parent >> group >> its_session;
    if (its_session != session || state == 'Z') continue;
    for (int i = 0; i < 7; ++i) rest >> skip;
    rest >> user >> system;
    all.sleeps &= state == 'S';
    all.cpu += user + system;
  }
  return all;
}

std::vector<pid_t> children() {
  std::vector<pid_t> pids;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::istringstream list(text_of(task.path() / "children"));
    for (pid_t pid = 0; list >> pid;) pids.push_back(pid);
  }
  return pids;
}

}  // namespace

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Program::Program(const Words& words, const Environment& environment, std::string output)
    : output_(std::move(output)) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  setsid();
  const int out = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  execv(argv[0], argv.data());
  _exit(127);
}

Program::~Program() {
  if (status_ != -1) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Program::ended() {
  int status = 0;
  if (status_ == -1 && waitpid(pid_, &status, WNOHANG) == pid_)
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_ != -1;
}

bool Program::wait(std::chrono::milliseconds most) {
  const auto until = Clock::now() + most;
  while (!ended()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(300us);
  }
  return true;
}

bool Program::wait_until_idle(std::chrono::milliseconds most) {
  const auto until = Clock::now() + most;
  if (wait(std::min(most, std::chrono::milliseconds(40)))) return true;
  uint64_t cpu = ~uint64_t{0};
  Clock::time_point since = Clock::now();
  while (Clock::now() < until) {
    const Activity now = activity_of(pid_);
    if (!now.sleeps || now.cpu != cpu) since = Clock::now();
    cpu = now.cpu;
    if (Clock::now() - since > kIdle) return false;
    if (wait(15ms)) return true;
  }
  return false;
}

std::string Program::said() const {
  return text_of(output_);
}

void adopt_orphans() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

bool all_gone(std::chrono::milliseconds most) {
  const auto until = Clock::now() + most;
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) return true;
    if (pid > 0) continue;
    if (Clock::now() > until) break;
    std::this_thread::sleep_for(300us);
  }
  for (const pid_t pid : children()) kill(pid, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0)
    for (const pid_t pid : children()) kill(pid, SIGKILL);
  return false;
}

}  // namespace ferry::pairs
