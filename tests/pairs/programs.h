// Programs that a test starts and watches: each in a session of its own, so that all that it starts
// can be found, and with its output in a file.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace ferry::pairs {

using Environment = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

class Program {
 public:
  Program(const Words& words, const Environment& environment, std::string output);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool ended();  // looks, and does not wait
  // False if it still runs after that.
  bool wait(std::chrono::milliseconds most);
  // Until it ended, or it and all that it started have done nothing for a while. False: the latter.
  bool wait_until_idle(std::chrono::milliseconds most);
  // 128 + signal if one ended it; -1 while it runs.
  int status() const { return status_; }
  std::string said() const;

 private:
  pid_t pid_;
  int status_ = -1;
  std::string output_;
};

// This process gets to wait for whatever its programs leave behind.
void adopt_orphans();
// Waits until no process that was started here is left; kills those that are after that, and then
// says false.
bool all_gone(std::chrono::milliseconds most);

std::string text_of(const std::string& path);

}  // namespace ferry::pairs
