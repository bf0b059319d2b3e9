// Reading a file at any place.
#include "io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "error/error.h"
#include "io/block_device.h"

namespace ferry {

InputFile::InputFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer only to hear that it is no file.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail_errno(Errc::io, errno, fmt::format("cannot open {}", path));
  fd_ = std::shared_ptr<const int>(new int(fd), [](const int* it) {
    ::close(*it);
    delete it;
  });
  struct stat info;
  if (::fstat(fd, &info) != 0) fail_errno(Errc::io, errno, fmt::format("cannot stat {}", path));
  const auto device = device_bytes(fd);
  device_ = device.has_value();
  if (!device && !S_ISREG(info.st_mode))
    fail(Errc::bad_image,
         "{} is neither a regular file nor a block device, so it cannot be a saved image", path);
  size_ = device.value_or(static_cast<uint64_t>(info.st_size));
}

void InputFile::read_at(uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(*fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (n > 0) {
      into = into.subspan(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    } else if (n == 0) {
      fail(Errc::io, "{} became shorter while it was read", path_);
    } else if (errno != EINTR) {
      fail_errno(Errc::io, errno, fmt::format("cannot read {}", path_));
    }
  }
}

size_t FileSource::read(std::span<std::byte> into) {
  const auto n = static_cast<size_t>(std::min<uint64_t>(into.size(), end_ - position_));
  file_.read_at(position_, into.first(n));
  position_ += n;
  return n;
}

}  // namespace ferry
