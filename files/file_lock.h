// A lock that one process at a time holds, and that goes with it however it ends.
#pragma once

#include <optional>
#include <string>

#include "io/descriptor.h"

namespace ferry {

class FileLock {
 public:
  // Nothing if somebody else has it. The file (mode 0600) is there while the lock is held; one that
  // a killed process left behind is nobody's. Throws Error(io).
  static std::optional<FileLock> try_take(const std::string& path);

  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = delete;
  ~FileLock();

 private:
  FileLock(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Descriptor file_;
};

}  // namespace ferry
