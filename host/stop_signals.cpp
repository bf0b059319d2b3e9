// What SIGINT, SIGTERM and SIGHUP mean while something is under way.
#include "host/stop_signals.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <initializer_list>

namespace ferry::host {
namespace {

std::atomic<bool> came{false};
std::atomic<pid_t> process{0};
std::atomic<int> connection{-1};
std::atomic<int> event{-1};
std::atomic<helper::StopEvent*> work{nullptr};

void on_signal(int) {
  const int saved = errno;  // of whatever was interrupted
  came = true;
  if (const pid_t pid = process) kill(pid, SIGTERM);
  if (const int socket = connection; socket >= 0) shutdown(socket, SHUT_RDWR);
  if (const int fd = event; fd >= 0) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = write(fd, &one, sizeof one);
  }
  if (helper::StopEvent* stop = work) stop->stop();
  errno = saved;
}

// A signal may still be on its way on another thread when the work has ended: it never goes.
helper::StopEvent& work_event() {
  static helper::StopEvent& kept = *new helper::StopEvent;
  return kept;
}

void catch_signals() {
  for (const int signal_number : {SIGINT, SIGTERM}) signal(signal_number, on_signal);
  if (!hang_up_is_ignored()) signal(SIGHUP, on_signal);
}

}  // namespace

bool hang_up_is_ignored() {
  struct sigaction now = {};
  return sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

bool a_stop_signal_came() {
  return came;
}

SignalsTo::SignalsTo(pid_t pid) {
  process = pid;
  catch_signals();
}

SignalsTo::~SignalsTo() {
  process = 0;
}

SignalsToGroup::SignalsToGroup(pid_t group, int happens) {
  event = happens;
  process = -group;
  catch_signals();
}

SignalsToGroup::~SignalsToGroup() {
  process = 0;
  event = -1;
}

SignalsHappen::SignalsHappen(int happens) {
  event = happens;
  catch_signals();
}

SignalsHappen::~SignalsHappen() {
  event = -1;
}

SignalsStop::SignalsStop() {
  work_event().reset();
  work = &work_event();
  catch_signals();
}

SignalsStop::~SignalsStop() {
  work = nullptr;
}

const helper::StopEvent& SignalsStop::event() const {
  return work_event();
}

SignalsCut::SignalsCut(int socket) {
  connection = socket;
  catch_signals();
}

SignalsCut::~SignalsCut() {
  connection = -1;
}

}  // namespace ferry::host
