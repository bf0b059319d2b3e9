// Where a saved image goes: a file that appears whole and durable under its name or not at all, or
// standard output.
#pragma once

#include <string>

namespace ferry {

class ImageOutput {
 public:
  // "-" is standard output. A file gets mode 0600 and no name, or a temporary one next to path
  // where the file system cannot do without, until commit(). Throws Error(io).
  explicit ImageOutput(const std::string& path);
  ~ImageOutput();  // without commit() nothing is left of the file
  ImageOutput(const ImageOutput&) = delete;
  ImageOutput& operator=(const ImageOutput&) = delete;

  int fd() const { return fd_; }
  bool durable() const { return path_ != "-"; }

  // Syncs the file, gives it its name (replacing what had it) and syncs the folder. Throws
  // Error(io); then nothing is left of it, and what had the name still has it. Only if the folder
  // itself could not be synced is the file there all the same, whole, and the sentence says so:
  // what it has replaced is gone by then.
  void commit();
  // After commit(): the image is of no use after all. Nothing is left of it, nor of what it had
  // replaced.
  void withdraw() noexcept;

 private:
  std::string folder() const;
  std::string link_beside() const;

  std::string path_;
  std::string temporary_;  // its name until commit(), if it has one
  bool committed_ = false;
  int fd_ = -1;
};

}  // namespace ferry
