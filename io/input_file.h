// A regular file or a block device that is read at any place by any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "io/byte_stream.h"

namespace ferry {

// A copy shares the descriptor; the last one closes it.
class InputFile {
 public:
  // Throws Error(io), or Error(bad_image) if path is neither.
  explicit InputFile(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // What is read may end anywhere in it: a device has more bytes than were written there.
  bool is_device() const { return device_; }

  // Open as long as some copy of this is.
  int descriptor() const { return *fd_; }

  // Reads all of into, or throws Error(io).
  void read_at(uint64_t offset, std::span<std::byte> into) const;

 private:
  std::string path_;
  std::shared_ptr<const int> fd_;
  uint64_t size_ = 0;
  bool device_ = false;
};

// The bytes [offset, offset + bytes) of a file, from front to back.
class FileSource final : public ByteSource {
 public:
  FileSource(InputFile file, uint64_t offset, uint64_t bytes)
      : file_(std::move(file)), position_(offset), end_(offset + bytes) {}
  size_t read(std::span<std::byte> into) override;

  // In the file.
  uint64_t position() const { return position_; }

 private:
  InputFile file_;
  uint64_t position_;
  uint64_t end_;
};

}  // namespace ferry
