// What SIGINT, SIGTERM and SIGHUP mean while something is under way that must not just end.
#pragma once

#include <sys/types.h>

namespace ferry::host {

// While it lives, those that we get go to this process as SIGTERM. Afterwards they are without
// effect: what comes then must not end half way.
class SignalsTo {
 public:
  explicit SignalsTo(pid_t pid);
  ~SignalsTo();
  SignalsTo(const SignalsTo&) = delete;
  SignalsTo& operator=(const SignalsTo&) = delete;
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
