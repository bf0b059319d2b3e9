// TLS with another host that called, and its messages, in a process without rights: nothing that
// comes over the network is decrypted or decoded anywhere else.
//
//   other host ⇄ TLS ⇄ this process ⇄ a socket of AF_UNIX ⇄ who serves the job
//
// What it says over that socket: who called and what for, then the frames in plain form
// (migrate/plain_frame.h), the first one again. What it hears there it encrypts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "io/descriptor.h"
#include "sandbox/confined_child.h"

namespace ferry::host {

class ConfinedTls {
 public:
  // socket: connected, its preamble read. Certificates and key are read now, here. This process has
  // one thread. confined: or else a thread of this process does it. Throws Error.
  ConfinedTls(Descriptor socket, const std::string& address, bool confined);
  // Ends the connection: what was said last is given some seconds to arrive. Complains of a process
  // that was stopped.
  ~ConfinedTls();
  ConfinedTls(const ConfinedTls&) = delete;
  ConfinedTls& operator=(const ConfinedTls&) = delete;

  struct Called {
    std::vector<std::string> names;  // what its certificate vouches for
    std::string job;                 // none for a question
    std::optional<uint32_t> stream;  // of a further connection
  };
  // Waits for it, once. Throws Error: why nobody was let in, or how the process ended.
  Called called();

  // For who serves the job.
  int connection() const { return connection_.get(); }
  // That one has it now, and this process not any more: returns once it is through with it.
  void wait_for_its_end();

 private:
  void end() noexcept;

  std::string address_;
  Descriptor connection_;
  std::optional<sandbox::ConfinedChild> child_;
  std::thread thread_;  // instead
  bool ended_ = false;
};

}  // namespace ferry::host
