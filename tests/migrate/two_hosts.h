// Two simulated hosts in files, and ferry-sim on them in processes of their own, which speak TLS
// over loopback.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tests/files/folder.h"
#include "tests/network/certificates.h"

namespace ferry::test {

// A program that runs beside the test, in a process group of its own, which gets SIGKILL if it
// still runs at the end.
class Running {
 public:
  Running() = default;
  Running(std::vector<std::string> command, std::map<std::string, std::string> environment,
          std::string output);
  ~Running() { end(); }
  Running(Running&& other) noexcept { *this = std::move(other); }
  Running& operator=(Running&& other) noexcept;

  pid_t pid() const { return pid_; }
  void send(int signal_number) const;
  // Its exit status, 128 + signal if one ended it; -1 if it still runs after so many seconds.
  int wait(double seconds = 60);
  // What it has said so far, on both outputs.
  std::string said() const;

 private:
  void end();

  pid_t pid_ = -1;
  int status_ = -1;
  std::string output_;
};

// Of loopback, for somebody who listens there soon.
uint16_t free_port();

class TwoHosts {
 public:
  TwoHosts();

  struct Result {
    int status = 0;
    std::string said;
  };
  // ferry-sim on the first or the second host ("a", "b"), to its end.
  Result run(const std::string& host, const std::vector<std::string>& arguments);
  Running start(const std::string& host, const std::vector<std::string>& arguments);
  // The second host's receiver, once it listens; more: further arguments.
  Running receiver(const std::vector<std::string>& more = {});
  std::string address() const;  // of the receiver, as the first host calls it

  // A new guest web1 on the first host, and nothing on the second.
  void fresh();
  // It runs on exactly one of the hosts, and goes on there with its memory right.
  void expect_one_runs(const std::string& when);
  bool runs_on(const std::string& host);
  // Jobs that are not settled, as "ferry job list" knows them.
  std::vector<std::string> open_jobs(const std::string& host);

  // What ferry-sim on a host is told beside the usual.
  std::map<std::string, std::string> extra_environment;
  Certificates certificates;
  TlsFiles files_a, files_b;
  std::string path(const std::string& name) const { return folder_.path(name); }

  // What ferry-sim is told on that host.
  std::map<std::string, std::string> environment(const std::string& host) const;

 private:
  unsigned domains(const std::string& host);

  TestFolder folder_;
  uint16_t port_ = 0;
  unsigned run_ = 0;
  std::string checksum_;
};

}  // namespace ferry::test
