// Waits for migrations from other hosts.
#include "host/receive_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>

#include "error/error.h"
#include "host/receive_caller.h"
#include "network/listeners.h"
#include "network/pass_descriptor.h"
#include "network/tcp.h"

namespace ferry::host {
namespace {

using namespace std::chrono_literals;

// Who has not proven who it is and said what it wants until then is no ferry.
constexpr auto kProofTime = 10s;
// A caller is not dropped for another one before it had so long.
constexpr auto kLeastTime = 300ms;
// A process whose link was cut leaves at once, unless it is in the middle of something.
constexpr auto kLeaveTime = 20s;
constexpr size_t kMostCallers = 64;
constexpr size_t kMostCallersOfOne = 16;
constexpr size_t kMostQueued = 256;
// Before we look who has come meanwhile.
constexpr unsigned kMostStarts = 4;
constexpr size_t kMostJobs = 64;
constexpr size_t kMostRelayed = 16 * kMostJobs;

sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, signal_number);
  return set;
}

std::string without_port(const std::string& address) {
  return address.substr(0, address.rfind(':'));
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
    wait();
    if (!handle_signal()) return;
    for (Process& process : processes_)
      if (process.stage == Stage::calling) listen_to(process);
    for (const Descriptor& listener : listeners_) accept_from(listener.get());
    check_deadlines();
    start_waiting();
    start_queued();
  }
}

void ReceiveServer::wait() {
  std::vector<pollfd> fds = {{signals_.get(), POLLIN, 0}};
  for (const Descriptor& listener : listeners_) fds.push_back({listener.get(), POLLIN, 0});
  for (const Process& process : processes_)
    if (process.stage == Stage::calling) fds.push_back({process.control.get(), POLLIN, 0});
  if (poll(fds.data(), fds.size(), next_deadline_ms()) < 0 && errno != EINTR)
    fail_errno(Errc::internal, errno, "cannot wait for connections");
}

int ReceiveServer::next_deadline_ms() const {
  Clock::time_point next = Clock::time_point::max();
  for (const Process& process : processes_)
    if (process.stage == Stage::calling || process.stage == Stage::waiting)
      next = std::min(next, process.until);
  if (!queue_.empty()) next = std::min(next, Clock::now() + 20ms);
  if (next == Clock::time_point::max()) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count() + 1, 0, 60'000));
}

void ReceiveServer::accept_from(int listener) {
  for (size_t n = 0; n < kMostQueued; ++n) {
    Descriptor socket(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    tune_tcp(socket.get());
    std::string address = without_port(peer_of(socket.get()));
    queue_.push_back({std::move(socket), std::move(address), Clock::now()});
    if (queue_.size() > kMostQueued) drop_from_queue();
  }
}

// The oldest one of the address that has most.
void ReceiveServer::drop_from_queue() {
  std::map<std::string, size_t> counts;
  for (const Queued& one : queue_) ++counts[one.address];
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  queue_.erase(std::find_if(queue_.begin(), queue_.end(),
                            [&](const Queued& one) { return one.address == most->first; }));
}

// The newest first: whoever floods us gives up its older ones.
void ReceiveServer::start_queued() {
  unsigned started = 0;
  for (size_t at = queue_.size(); at-- > 0 && started < kMostStarts;) {
    const bool late = Clock::now() >= queue_[at].arrived + kProofTime;
    if (!late && !has_room_for(queue_[at])) continue;
    Queued connection = std::move(queue_[at]);
    queue_.erase(queue_.begin() + static_cast<ptrdiff_t>(at));
    if (late) continue;
    start(std::move(connection));
    ++started;
  }
}

// Makes some, if there is somebody older who had time enough.
bool ReceiveServer::has_room_for(const Queued& connection) {
  const bool too_many_of_it = calling_from(connection.address) >= kMostCallersOfOne;
  if (!too_many_of_it && count(Stage::calling) < kMostCallers) return true;
  Process* slowest = nullptr;
  for (Process& one : processes_) {
    if (one.stage != Stage::calling || Clock::now() < one.since + kLeastTime) continue;
    if (one.arrived > connection.arrived) continue;
    if (too_many_of_it && one.address != connection.address) continue;
    if (!slowest || one.arrived < slowest->arrived) slowest = &one;
  }
  if (!slowest) return false;
  kill(slowest->pid, SIGKILL);
  slowest->stage = Stage::dropped;
  return true;
}

void ReceiveServer::start(Queued connection) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
  Descriptor ours(ends[0]), callers(ends[1]);
  const pid_t pid = fork();
  if (pid == 0) {
    ours.reset();
    become_caller(std::move(connection), std::move(callers));
  }
  if (pid < 0) return;
  Process process;
  process.pid = pid;
  process.control = std::move(ours);
  process.address = std::move(connection.address);
  process.arrived = connection.arrived;
  process.since = Clock::now();
  process.until = connection.arrived + kProofTime;
  processes_.push_back(std::move(process));
}

// The new process keeps nothing but its connection.
void ReceiveServer::become_caller(Queued connection, Descriptor control) {
  listeners_.clear();
  queue_.clear();
  processes_.clear();
  signals_.reset();
  const sigset_t set = signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  const int status = serve_(std::move(connection.socket), std::move(control));
  std::fflush(nullptr);
  _exit(status);
}

void ReceiveServer::listen_to(Process& process) {
  try {
    const auto said = take_message(process.control.get(), 0);
    if (!said) return;
    const CallerSays says = caller_says(said->text);
    process.job = says.job;
    process.names = says.names;
    if (says.stream.empty())
      place_job(process);
    else
      place_stream(process, says.stream, said->descriptor.get());
  } catch (const Error&) {
    process.stage = Stage::dropped;  // it ends, or has ended
    process.control.reset();
  }
}

void ReceiveServer::place_job(Process& process) {
  Process* other = process.job.empty() ? nullptr : server_of(process.job);
  if (other && other->names != process.names)
    return refuse(process, fmt::format("job {} belongs to somebody else", process.job));
  if (!other) return serve(process);
  for (Process& one : processes_)
    if (one.stage == Stage::waiting && one.job == process.job)
      refuse(one, fmt::format("job {} was called for once more", process.job));
  // The source has met a broken link, of which that process may not know yet.
  kill(other->pid, SIGTERM);
  process.stage = Stage::waiting;
  process.since = Clock::now();
  process.until = process.since + kLeaveTime;
}

void ReceiveServer::serve(Process& process) {
  if (count(Stage::serving) >= kMostJobs)
    return refuse(process, fmt::format("{} jobs are served here already", kMostJobs));
  process.stage = Stage::serving;
  pass_message(process.control.get(), kCallerGoesOn);
}

void ReceiveServer::place_stream(Process& process, const std::string& stream, int descriptor) {
  Process* server = server_of(process.job);
  if (!server || server->names != process.names || descriptor < 0 ||
      count(Stage::relaying) >= kMostRelayed)
    return refuse(process, fmt::format("job {} has no use for this connection", process.job));
  pass_message(server->control.get(), stream, descriptor);
  process.stage = Stage::relaying;
  pass_message(process.control.get(), kCallerGoesOn);
  process.control.reset();  // it has nothing more to ask
}

void ReceiveServer::refuse(Process& process, const std::string& sentence) {
  process.stage = Stage::dropped;
  try {
    pass_message(process.control.get(), sentence);
  } catch (const Error&) {
  }
  process.control.reset();
}

void ReceiveServer::check_deadlines() {
  for (Process& process : processes_) {
    if (Clock::now() < process.until) continue;
    if (process.stage == Stage::waiting)
      refuse(process, fmt::format("job {} is still served here by another process", process.job));
    if (process.stage != Stage::calling) continue;
    kill(process.pid, SIGKILL);
    process.stage = Stage::dropped;
  }
}

void ReceiveServer::start_waiting() {
  for (Process& process : processes_) {
    if (process.stage != Stage::waiting || server_of(process.job)) continue;
    try {
      serve(process);
    } catch (const Error&) {
      process.stage = Stage::dropped;
      process.control.reset();
    }
  }
}

bool ReceiveServer::handle_signal() {
  signalfd_siginfo info;
  bool go_on = true;
  while (read(signals_.get(), &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD) go_on = false;
  reap();
  return go_on;
}

void ReceiveServer::reap() {
  for (pid_t pid; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;)
    processes_.remove_if([pid](const Process& process) { return process.pid == pid; });
}

size_t ReceiveServer::count(Stage stage) const {
  return static_cast<size_t>(std::count_if(processes_.begin(), processes_.end(),
                                           [&](const Process& p) { return p.stage == stage; }));
}

size_t ReceiveServer::calling_from(const std::string& address) const {
  return static_cast<size_t>(std::count_if(
      processes_.begin(), processes_.end(),
      [&](const Process& p) { return p.stage == Stage::calling && p.address == address; }));
}

ReceiveServer::Process* ReceiveServer::server_of(const std::string& job) {
  for (Process& process : processes_)
    if (process.stage == Stage::serving && process.job == job) return &process;
  return nullptr;
}

}  // namespace ferry::host
