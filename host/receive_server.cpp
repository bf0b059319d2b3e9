// Waits for migrations from other hosts.
#include "host/receive_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "error/error.h"
#include "network/listeners.h"
#include "network/pass_descriptor.h"
#include "network/tcp.h"

namespace ferry::host {
namespace {

// Who has not said which job it is for until then is no ferry.
constexpr std::chrono::seconds kPreambleTime{10};
// A process whose link was cut leaves at once, unless it is in the middle of something.
constexpr std::chrono::seconds kLeaveTime{20};
constexpr size_t kMostCallers = 64;
constexpr size_t kMostJobs = 64;

sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, signal_number);
  return set;
}

}  // namespace

ReceiveServer::ReceiveServer(std::vector<Descriptor> listeners, Serve serve)
    : listeners_(std::move(listeners)), serve_(std::move(serve)) {
  const sigset_t set = signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) fail_errno(Errc::internal, errno, "cannot watch for signals");
}

void ReceiveServer::run() {
  tell_ready();
  for (;;) {
    std::vector<pollfd> fds = {{signals_.get(), POLLIN, 0}};
    for (const Descriptor& listener : listeners_) fds.push_back({listener.get(), POLLIN, 0});
    for (const Caller& caller : callers_) fds.push_back({caller.socket.get(), POLLIN, 0});
    if (poll(fds.data(), fds.size(), next_deadline_ms()) < 0 && errno != EINTR)
      fail_errno(Errc::internal, errno, "cannot wait for connections");
    if (fds[0].revents && !handle_signal()) return;
    const auto ready = fds.begin() + 1 + static_cast<ptrdiff_t>(listeners_.size());
    auto seen = ready;
    for (auto caller = callers_.begin(); caller != callers_.end();) {
      const bool keep =
          (seen++->revents == 0 || listen_to(*caller)) && Clock::now() < caller->until;
      caller = keep ? std::next(caller) : callers_.erase(caller);
    }
    for (size_t i = 0; i < listeners_.size(); ++i)
      if (fds[1 + i].revents) accept_from(listeners_[i].get());
    start_waiting();
  }
}

int ReceiveServer::next_deadline_ms() const {
  if (callers_.empty() && waiting_.empty()) return -1;
  Clock::time_point next = Clock::time_point::max();
  for (const Caller& caller : callers_) next = std::min(next, caller.until);
  for (const Waiting& one : waiting_) next = std::min(next, one.until);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count() + 1, 0, 60'000));
}

void ReceiveServer::accept_from(int listener) {
  Descriptor socket(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || callers_.size() >= kMostCallers) return;
  tune_tcp(socket.get());
  callers_.push_back({std::move(socket), {}, 0, Clock::now() + kPreambleTime});
}

bool ReceiveServer::listen_to(Caller& caller) {
  const ssize_t n = recv(caller.socket.get(), caller.bytes.data() + caller.got,
                         caller.bytes.size() - caller.got, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  caller.got += static_cast<size_t>(n);
  if (caller.got < caller.bytes.size()) return true;
  if (const auto preamble = decode_preamble(caller.bytes))
    place(*preamble, std::move(caller.socket));
  return false;
}

void ReceiveServer::place(const Preamble& preamble, Descriptor socket) {
  const auto worker = workers_.find(preamble.job);
  if (preamble.stream == 0) {
    if (worker == workers_.end()) return start(preamble.job, std::move(socket));
    // The source has met a broken link, of which that process may not know yet.
    kill(worker->second.pid, SIGTERM);
    waiting_.push_back({preamble.job, std::move(socket), Clock::now() + kLeaveTime});
    return;
  }
  if (worker == workers_.end()) return;
  try {
    pass_descriptor(worker->second.more.get(), socket.get(), preamble.stream);
  } catch (const Error&) {
    // It is about to end; the caller notices that its connection is closed.
  }
}

void ReceiveServer::start(const std::string& job, Descriptor socket) {
  if (workers_.size() >= kMostJobs) return;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
  Descriptor ours(ends[0]), workers(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return;
  if (pid > 0) {
    workers_[job] = {pid, std::move(ours)};
    return;
  }
  // The new process keeps nothing but its job.
  ours.reset();
  listeners_.clear();
  callers_.clear();
  waiting_.clear();
  workers_.clear();
  signals_.reset();
  const sigset_t set = signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  const int status = serve_(std::move(socket), std::move(workers), job);
  std::fflush(nullptr);
  _exit(status);
}

void ReceiveServer::start_waiting() {
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    const auto worker = workers_.find(one->job);
    if (worker == workers_.end()) {
      start(one->job, std::move(one->socket));
      one = waiting_.erase(one);
    } else if (Clock::now() >= one->until) {
      one = waiting_.erase(one);  // its caller tries again
    } else {
      ++one;
    }
  }
}

bool ReceiveServer::handle_signal() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) return false;
    reap();
  }
  return true;
}

void ReceiveServer::reap() {
  for (pid_t pid; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;)
    std::erase_if(workers_, [pid](const auto& worker) { return worker.second.pid == pid; });
}

}  // namespace ferry::host
