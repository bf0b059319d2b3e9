// Audits an image that is in memory: through a file without a name, on this thread alone.
#pragma once

#include <span>
#include <string>

#include "audit/audit.h"
#include "io/byte_stream.h"
#include "pipeline/inline_executor.h"

namespace ferry::test {

// A file that nobody else sees and that goes with the object.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }
  void write_at(uint64_t offset, std::byte byte);
  void resize(uint64_t bytes);

 private:
  int fd_;
  std::string path_;
};

// Throws what ImageFile::open() throws.
audit::Result audit_image(std::span<const std::byte> image, audit::Options options = {});

// What the exit code of ferry audit would be made of.
enum class Verdict { clean, bad, something_else };
Verdict verdict_on(const std::string& path);

// The ids of all rules that were broken, warnings included, each once, in order.
std::vector<std::string> broken_rules(const audit::Result& result);

}  // namespace ferry::test
