// A pipe to or from a program that may hang: whoever reads or writes it can be woken for good.
#pragma once

#include <atomic>
#include <memory>

#include "io/byte_stream.h"
#include "io/descriptor.h"

namespace ferry::host {

// What wakes them. From any thread, and from a signal handler.
class Cutter {
 public:
  Cutter();  // throws Error(internal)
  // why: what they say of it, a text for ever; the first one counts.
  void cut(const char* why = nullptr) noexcept;
  const char* why() const;
  bool is_cut() const;
  int descriptor() const { return event_.get(); }

 private:
  Descriptor event_;
  std::atomic<const char*> why_{nullptr};
};

// The descriptor is non-blocking from now on; it must outlive this. Both throw Error(io) once they
// are cut.
class CuttableSource final : public ByteSource {
 public:
  // last_bytes: so much of what is there already is still read after the cut.
  CuttableSource(int fd, const Cutter& cutter, size_t last_bytes = 0);
  size_t read(std::span<std::byte> into) override;

 private:
  int fd_;
  const Cutter& cutter_;
  size_t last_bytes_;
};

// What is small enough to be written at once (PIPE_BUF) is a last word: it is written after the
// cut, too, if there is room for it now and nothing was left off in the middle before.
class CuttableSink final : public ByteSink {
 public:
  CuttableSink(int fd, const Cutter& cutter);
  void write(std::span<const std::byte> bytes) override;
  // One is whole on its way. For whoever writes.
  bool wrote_last_word() const { return wrote_last_word_ && !torn_; }

 private:
  bool write_last_word(std::span<const std::byte> bytes);

  int fd_;
  const Cutter& cutter_;
  bool wrote_last_word_ = false;
  bool torn_ = false;  // something was begun and not ended
};

}  // namespace ferry::host
