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
  // A lock that was handed to this process as a descriptor: it is held until every process that has
  // the descriptor is done with it. The file stays: it is for whoever took the lock to remove.
  // Throws Error(io) if the descriptor does not hold the lock of that path.
  static FileLock adopt(const std::string& path, Descriptor file);

  // For a process that is to hold the lock too, or instead of this one.
  int descriptor() const { return file_.get(); }
  const std::string& path() const { return path_; }
  // Another process has it from now on, and removes the file.
  void hand_on() { keep_file_ = true; }
  // It was handed to this process, which has it alone now, and removes the file.
  void take_charge() { keep_file_ = false; }

  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = delete;
  ~FileLock();

 private:
  FileLock(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Descriptor file_;
  bool keep_file_ = false;
};

}  // namespace ferry
