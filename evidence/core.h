// An ELF core of a saved guest, as Linux's own tools take one of /proc/vmcore.
#pragma once

#include <optional>
#include <string>

#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::evidence {

struct CoreOptions {
  // Else the kernel's variable xen_start_info is shown as zero: where it is set, crash wants a
  // format of Xen's own.
  bool as_is = false;
};

struct Core {
  uint64_t pages = 0;  // with a frame
  uint64_t ranges = 0;
  uint64_t vcpus = 0;
  uint64_t bytes = 0;                           // of the file, holes included
  std::optional<uint64_t> vmcoreinfo_pfn = {};  // where it was found
  std::string release = {};                     // of the kernel, as it says; not printable
  bool direct_map = false;                      // virtual addresses are known
  std::optional<uint64_t> hidden_address = {};  // of xen_start_info
};

// Where a core goes.
class CoreFile {
 public:
  virtual ~CoreFile() = default;
  // What is between two pieces are zeros.
  virtual void put(uint64_t at, std::span<const std::byte> bytes) = 0;
};

// A file that is empty as yet: pieces go to any place, each to one of its own but for less than a
// page, and whole pages of zeros take no room. Does not own the descriptor.
class SparseFile final : public CoreFile {
 public:
  SparseFile(int fd, std::string name) : fd_(fd), name_(name), sink_(fd, std::move(name)) {}
  void put(uint64_t at, std::span<const std::byte> bytes) override;

 private:
  void write_at(uint64_t at, std::span<const std::byte> bytes);

  int fd_;
  std::string name_;
  FdSink sink_;
  uint64_t position_ = 0;
};

// A pipe: pieces come in order.
class StreamedFile final : public CoreFile {
 public:
  explicit StreamedFile(ByteSink& sink) : sink_(sink) {}
  void put(uint64_t at, std::span<const std::byte> bytes) override;

 private:
  ByteSink& sink_;
  uint64_t position_ = 0;
};

// One pass over the pages into a file; for a pipe, which begins with what is known last, there is
// another before, as far as to where the kernel says what it is. Throws Error(bad_image),
// Error(io).
Core write_core(const ImageFile& image, const CoreOptions& options, SparseFile& file,
                Executor& executor);
Core write_core(const ImageFile& image, const CoreOptions& options, StreamedFile& file,
                Executor& executor);

}  // namespace ferry::evidence
