// The terminal that we were started from.
#include "host/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace ferry::host {
namespace {

// Whoever is not in the foreground has to hold back the signal that would stop it.
void put_in_foreground(int terminal, pid_t group) {
  sigset_t held, before;
  sigemptyset(&held);
  sigaddset(&held, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &held, &before);
  tcsetpgrp(terminal, group);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

LentTerminal::LentTerminal() : terminal_(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
  if (terminal_ && tcgetpgrp(terminal_.get()) != getpgrp()) terminal_.reset();
}

void LentTerminal::take(int descriptor) {
  if (descriptor >= 0) put_in_foreground(descriptor, getpid());
}

void LentTerminal::take_back() const {
  if (terminal_ && tcgetpgrp(terminal_.get()) != getpgrp())
    put_in_foreground(terminal_.get(), getpgrp());
}

}  // namespace ferry::host
