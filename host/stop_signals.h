// What SIGINT, SIGTERM and SIGHUP mean while something is under way that must not just end.
#pragma once

#include <sys/types.h>

#include "host/stop_event.h"

namespace ferry::host {

// SIGHUP means nothing to a program that nohup(1) has started: what is said of it here does not
// hold then.
bool hang_up_is_ignored();

// Whether one came since any of these was first made.
bool a_stop_signal_came();

// While it lives, those that we get go to this process as SIGTERM. Afterwards they are without
// effect: what comes then must not end half way.
class SignalsTo {
 public:
  explicit SignalsTo(pid_t pid);
  ~SignalsTo();
  SignalsTo(const SignalsTo&) = delete;
  SignalsTo& operator=(const SignalsTo&) = delete;
};

// While it lives, they go to this process group as SIGTERM, and the event (eventfd) happens.
class SignalsToGroup {
 public:
  SignalsToGroup(pid_t group, int event);
  ~SignalsToGroup();
  SignalsToGroup(const SignalsToGroup&) = delete;
  SignalsToGroup& operator=(const SignalsToGroup&) = delete;
};

// While it lives, the event (eventfd) happens.
class SignalsHappen {
 public:
  explicit SignalsHappen(int event);
  ~SignalsHappen();
  SignalsHappen(const SignalsHappen&) = delete;
  SignalsHappen& operator=(const SignalsHappen&) = delete;
};

// While it lives, they stop what this process does itself. One at a time.
class SignalsStop {
 public:
  SignalsStop();
  ~SignalsStop();
  SignalsStop(const SignalsStop&) = delete;
  SignalsStop& operator=(const SignalsStop&) = delete;

  const helper::StopEvent& event() const;
};

// While it lives, they shut this connection down; whoever reads or writes it then fails.
class SignalsCut {
 public:
  explicit SignalsCut(int socket);
  ~SignalsCut();
  SignalsCut(const SignalsCut&) = delete;
  SignalsCut& operator=(const SignalsCut&) = delete;
};

}  // namespace ferry::host
