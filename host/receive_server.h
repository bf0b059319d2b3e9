// Waits for migrations from other hosts: a process of its own for each job.
//
//   listeners → preamble → | stream 0: a new process serves the job
//                          | stream n: to the process that serves it
//
// Nobody has proven anything yet when the preamble is read, so this process does no more than that.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "io/descriptor.h"
#include "network/preamble.h"

namespace ferry::host {

class ReceiveServer {
 public:
  // Serves a job's first connection; further ones come over `more` (network/pass_descriptor.h).
  // Runs in a process of its own and gives its exit status.
  using Serve = std::function<int(Descriptor first, Descriptor more, const std::string& job_bytes)>;

  ReceiveServer(std::vector<Descriptor> listeners, Serve serve);

  // Until SIGTERM or SIGINT. Jobs that are under way then go on without us.
  void run();

 private:
  using Clock = std::chrono::steady_clock;

  // A connection whose preamble is not complete yet.
  struct Caller {
    Descriptor socket;
    PreambleBytes bytes{};
    size_t got = 0;
    Clock::time_point until;
  };
  struct Worker {
    pid_t pid = -1;
    Descriptor more;
  };
  // A first connection for a job that another process still serves: that one has to go.
  struct Waiting {
    std::string job;
    Descriptor socket;
    Clock::time_point until;
  };

  void accept_from(int listener);
  // False when the caller is done with, one way or the other.
  bool listen_to(Caller& caller);
  void place(const Preamble& preamble, Descriptor socket);
  void start(const std::string& job, Descriptor socket);
  void start_waiting();
  void reap();
  bool handle_signal();
  int next_deadline_ms() const;

  std::vector<Descriptor> listeners_;
  Serve serve_;
  Descriptor signals_;
  std::list<Caller> callers_;
  std::list<Waiting> waiting_;
  std::map<std::string, Worker> workers_;
};

}  // namespace ferry::host
