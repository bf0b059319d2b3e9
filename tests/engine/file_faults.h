// Calls on files made to fail: images, locks and notes. A program that links this gets its own
// open, flock, write, fsync, linkat and rename, which pass on what is not to fail.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::sim {

// While it lives, the calls of this thread are counted from 1, and the nth fails; 0: none.
class FileFaults {
 public:
  explicit FileFaults(uint64_t nth = 0);
  ~FileFaults();
  FileFaults(const FileFaults&) = delete;
  FileFaults& operator=(const FileFaults&) = delete;

  // Files cannot be made without a name, as on some file systems.
  void refuse_nameless() { nameless_ = false; }

  // Of the calls so far: "open /run/x", "flock /run/x", "fsync".
  const std::vector<std::string>& calls() const { return calls_; }
  bool failed() const { return nth_ != 0 && calls_.size() >= nth_; }

  // For the calls themselves: 0, or the errno to fail with.
  int next(std::string call, int os_errno);
  bool nameless() const { return nameless_; }

 private:
  const uint64_t nth_;
  bool nameless_ = true;
  std::vector<std::string> calls_;
};

}  // namespace ferry::sim
