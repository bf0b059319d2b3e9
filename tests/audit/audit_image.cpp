// Audits an image that is in memory.
#include "tests/audit/audit_image.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "error/error.h"

namespace ferry::test {

MemoryFile::MemoryFile(std::span<const std::byte> bytes)
    : fd_(::memfd_create("image", MFD_CLOEXEC)), path_(fmt::format("/proc/self/fd/{}", fd_)) {
  if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("no memory file");
}

MemoryFile::~MemoryFile() {
  ::close(fd_);
}

void MemoryFile::write_at(uint64_t offset, std::byte byte) {
  if (::pwrite(fd_, &byte, 1, static_cast<off_t>(offset)) != 1)
    throw std::runtime_error("cannot write to the memory file");
}

void MemoryFile::resize(uint64_t bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0)
    throw std::runtime_error("cannot resize the memory file");
}

audit::Result audit_image(std::span<const std::byte> image, audit::Options options) {
  MemoryFile file(image);
  InlineExecutor executor;
  return audit::run(ImageFile::open(file.path()), options, executor);
}

Verdict verdict_on(const std::string& path) {
  InlineExecutor executor;
  try {
    return audit::run(ImageFile::open(path), {}, executor).clean() ? Verdict::clean : Verdict::bad;
  } catch (const Error& error) {
    return error.code() == Errc::bad_image ? Verdict::bad : Verdict::something_else;
  }
}

std::vector<std::string> broken_rules(const audit::Result& result) {
  std::vector<std::string> ids;
  for (const audit::Rule* rule : audit::all_rules())
    if (result.findings.count(*rule) != 0) ids.emplace_back(rule->id);
  return ids;
}

}  // namespace ferry::test
