// A command through which another host is called, until that has said something.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "host/child.h"
#include "host/cuttable_pipe.h"
#include "host/terminal.h"

namespace ferry::host {

// Until then the command may ask at the terminal, if there is one; people are told after a while
// that it is waited for; and a command that was stopped because it has no terminal to ask at is
// waited for no more: cut.
class FirstWord {
 public:
  FirstWord(const Child& child, const LentTerminal& terminal, Cutter& cutter, bool quiet);
  ~FirstWord() { said(); }
  FirstWord(const FirstWord&) = delete;
  FirstWord& operator=(const FirstWord&) = delete;

  // Something came, or nobody waits any more: the terminal is ours again.
  void said();

 private:
  void watch();
  // False: it is waited for no more.
  bool look();

  const Child& child_;
  const LentTerminal& terminal_;
  Cutter& cutter_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool said_ = false;
  bool told_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::thread thread_;
};

// What comes from the command.
class FirstWordSource final : public ByteSource {
 public:
  FirstWordSource(ByteSource& in, FirstWord& first) : in_(in), first_(first) {}
  size_t read(std::span<std::byte> into) override;

 private:
  ByteSource& in_;
  FirstWord& first_;
  bool heard_ = false;
};

}  // namespace ferry::host
