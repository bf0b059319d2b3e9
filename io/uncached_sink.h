// Writes to a file so that nothing of it stays in the page cache: an image is read again on another
// day, and what the cache would lose for it is in use now. It also costs less: the kernel copies
// nothing.
//
//   | what stood there, up to here | to a block's end | blocks, with O_DIRECT … | less than a block
//   |
//
// Where the file system has no O_DIRECT, what was written is brought to the disk soon and dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "io/byte_stream.h"

namespace ferry {

// Whether it is a file whose bytes are kept, and cached.
bool is_regular_file(int fd);

class UncachedSink final : public ByteSink {
 public:
  // inner writes to fd, a regular file, from where that stands. Others who have the same open file
  // must not write to it before finish() or the end of this: it may have O_DIRECT until then.
  UncachedSink(ByteSink& inner, int fd);
  ~UncachedSink() override;  // without finish() the last bytes are not written
  UncachedSink(const UncachedSink&) = delete;
  UncachedSink& operator=(const UncachedSink&) = delete;

  void write(std::span<const std::byte> bytes) override;
  // All is written, and fd stands behind it and is as it was.
  void finish();
  // When it is on the disk: what is left of the file in the cache goes.
  void drop() const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };

  bool set_direct(bool on);
  size_t room() const;
  void flush();
  void write_direct(std::span<const std::byte> blocks);
  void write_behind(size_t bytes);

  ByteSink& inner_;
  const int fd_;
  const uint64_t start_;
  uint64_t at_;  // in the file, of what was written
  bool direct_ = false;
  bool can_direct_ = true;  // as far as is known
  std::unique_ptr<std::byte, Free> buffer_;
  size_t filled_ = 0;
};

}  // namespace ferry
