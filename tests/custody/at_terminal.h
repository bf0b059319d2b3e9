// Somebody at a terminal.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace ferry::test {

// A program that is the foreground of a terminal of its own, and who sits there.
class AtTerminal {
 public:
  AtTerminal(const std::vector<std::string>& command,
             const std::map<std::string, std::string>& environment) {
    pid_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (pid_ != 0) return;
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  ~AtTerminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(terminal_);
  }
  AtTerminal(const AtTerminal&) = delete;
  AtTerminal& operator=(const AtTerminal&) = delete;

  pid_t pid() const { return pid_; }
  void types(const std::string& keys) const {
    EXPECT_EQ(write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // Reads what is shown until that is there; false: it does not come.
  bool shows(const std::string& text, double seconds = 30) {
    return reads(seconds, [&] { return shown_.find(text) != std::string::npos; });
  }
  // As Running::wait().
  int wait(double seconds = 60) {
    int status = -1;
    if (!reads(seconds, [&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
    pid_ = -1;
    reads(0.1, [] { return false; });
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& shown() const { return shown_; }

 private:
  template <typename Until>
  bool reads(double seconds, const Until& until) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (!until()) {
      if (std::chrono::steady_clock::now() > end) return false;
      pollfd ready = {terminal_, POLLIN, 0};
      char text[4096];
      if (poll(&ready, 1, 20) != 1) continue;
      const ssize_t n = read(terminal_, text, sizeof text);
      if (n > 0) shown_.append(text, static_cast<size_t>(n));
      if (n <= 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string shown_;
};

inline constexpr char kCtrlC[] = "\x03", kCtrlZ[] = "\x1a";

}  // namespace ferry::test
