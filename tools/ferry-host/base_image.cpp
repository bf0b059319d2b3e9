// Whether a file is the image that page hashes stand for.
#include "tools/ferry-host/base_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "io/descriptor.h"

namespace ferry::host {

bool is_image_called(const BaseName& name, const std::string& path) noexcept {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat there = {};
  if (!file || fstat(file.get(), &there) != 0 || !S_ISREG(there.st_mode)) return false;
  if (static_cast<uint64_t>(there.st_size) != name.bytes) return false;
  std::array<std::byte, 4096> end;
  const off_t from = std::max<off_t>(0, there.st_size - static_cast<off_t>(end.size()));
  const ssize_t n = pread(file.get(), end.data(), end.size(), from);
  const std::span<const std::byte> last(end.data(), n > 0 ? static_cast<size_t>(n) : 0);
  return !std::ranges::search(last, name.digest_of_digests).empty();
}

}  // namespace ferry::host
