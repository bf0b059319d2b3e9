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
  CuttableSource(int fd, const Cutter& cutter);
  size_t read(std::span<std::byte> into) override;

 private:
  int fd_;
  const Cutter& cutter_;
};

class CuttableSink final : public ByteSink {
 public:
  CuttableSink(int fd, const Cutter& cutter);
  void write(std::span<const std::byte> bytes) override;

 private:
  int fd_;
  const Cutter& cutter_;
};

}  // namespace ferry::host
