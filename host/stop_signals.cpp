// What SIGINT, SIGTERM and SIGHUP mean while something is under way.
#include "host/stop_signals.h"

#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <initializer_list>

namespace ferry::host {
namespace {

std::atomic<pid_t> process{0};
std::atomic<int> connection{-1};

void on_signal(int) {
  if (const pid_t pid = process) kill(pid, SIGTERM);
  if (const int socket = connection; socket >= 0) shutdown(socket, SHUT_RDWR);
}

void catch_signals() {
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) signal(signal_number, on_signal);
}

}  // namespace

SignalsTo::SignalsTo(pid_t pid) {
  process = pid;
  catch_signals();
}

SignalsTo::~SignalsTo() {
  process = 0;
}

SignalsCut::SignalsCut(int socket) {
  connection = socket;
  catch_signals();
}

SignalsCut::~SignalsCut() {
  connection = -1;
}

}  // namespace ferry::host
