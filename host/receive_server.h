// Waits for migrations from other hosts.
//
//   listeners → queue → a process for each connection: preamble, TLS, its first frame
//                          | proven, a new job: that process serves it
//                          | proven, a further connection of a job: it hands the frames on to the
//                          |   process that serves the job
//
// Until a caller has proven who it is nothing is known about it but its address. So all of that has
// one deadline, there are few such callers at a time, and fewer of one address; what is too much is
// dropped, the slowest first. None of them opens Xen or disturbs a job.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "io/descriptor.h"

namespace ferry::host {

class ReceiveServer {
 public:
  // Serves a connection in a process of its own and gives its exit status. control: to us, as in
  // receive_caller.h.
  using Serve = std::function<int(Descriptor socket, Descriptor control)>;

  ReceiveServer(std::vector<Descriptor> listeners, Serve serve);

  // Until SIGTERM or SIGINT. Jobs that are under way then go on without us.
  void run();

 private:
  using Clock = std::chrono::steady_clock;

  // A connection that no process serves yet.
  struct Queued {
    Descriptor socket;
    std::string address;
    Clock::time_point arrived;
  };
  enum class Stage { calling, waiting, serving, relaying, dropped };
  struct Process {
    pid_t pid = -1;
    Descriptor control;
    std::string address;
    Clock::time_point arrived;
    Clock::time_point since, until;  // of this stage
    Stage stage = Stage::calling;
    std::string job, names;  // once proven; no job: a question
  };

  void wait();
  int next_deadline_ms() const;
  void accept_from(int listener);
  void drop_from_queue();
  void start_queued();
  bool has_room_for(const Queued& connection);
  void start(Queued connection);
  [[noreturn]] void become_caller(Queued connection, Descriptor control);
  void listen_to(Process& process);
  void place_job(Process& process);
  void place_stream(Process& process, const std::string& stream, int descriptor);
  void serve(Process& process);
  void refuse(Process& process, const std::string& sentence);
  void check_deadlines();
  void start_waiting();
  void reap();
  bool handle_signal();

  size_t count(Stage stage) const;
  size_t calling_from(const std::string& address) const;
  Process* server_of(const std::string& job);

  std::vector<Descriptor> listeners_;
  Serve serve_;
  Descriptor signals_;
  std::deque<Queued> queue_;
  std::list<Process> processes_;
};

}  // namespace ferry::host
