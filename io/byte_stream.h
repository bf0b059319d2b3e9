// The two interfaces through which all bytes of an image come in and go out, so that a test can
// put anything in their place, and their implementations over file descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ferry {

using Bytes = std::vector<std::byte>;

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Writes all of bytes or throws Error(io). Blocks.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads exactly as many bytes as asked for, fewer only at the end. Never reads ahead.
  // Throws Error(io). Blocks.
  virtual size_t read(std::span<std::byte> into) = 0;
};

// Does not own the descriptor. Retries EINTR; name is how messages call the thing.
class FdSink final : public ByteSink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(std::span<const std::byte> bytes) override;

 private:
  int fd_;
  std::string name_;
};

class FdSource final : public ByteSource {
 public:
  FdSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  size_t read(std::span<std::byte> into) override;

 private:
  int fd_;
  std::string name_;
};

class MemorySink final : public ByteSink {
 public:
  void write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : rest_(bytes) {}
  size_t read(std::span<std::byte> into) override;

 private:
  std::span<const std::byte> rest_;
};

}  // namespace ferry
