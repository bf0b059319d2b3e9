// Writing an image to a block device (drawn in block_device.h).
#include "io/block_device.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "error/error.h"

namespace ferry {
namespace {

void sync_device(int fd) {
  if (fsync(fd) != 0) fail_errno(Errc::io, errno, "cannot bring the image to the device");
}

void write_head(int fd, uint64_t offset, std::span<const std::byte> head) {
  const ssize_t n = pwrite(fd, head.data(), head.size(), static_cast<off_t>(offset));
  if (n != static_cast<ssize_t>(head.size()))
    fail_errno(Errc::io, n < 0 ? errno : EIO, "cannot write to the device");
  sync_device(fd);
}

}  // namespace

std::optional<uint64_t> device_bytes(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISBLK(status.st_mode)) return std::nullopt;
  uint64_t bytes = 0;
  if (ioctl(fd, BLKGETSIZE64, &bytes) != 0)
    fail_errno(Errc::io, errno, "a block device does not tell its size");
  return bytes;
}

bool is_read_only(int fd) {
  int read_only = 0;
  return ioctl(fd, BLKROGET, &read_only) == 0 && read_only != 0;
}

void turn_bits(std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) byte = ~byte;
}

void turn_head(int fd, uint64_t offset) {
  std::array<std::byte, kTurnedBytes> head;
  const ssize_t n = pread(fd, head.data(), head.size(), static_cast<off_t>(offset));
  if (n != static_cast<ssize_t>(head.size()))
    fail_errno(Errc::io, n < 0 ? errno : EIO, "cannot read from the device");
  turn_bits(head);
  write_head(fd, offset, head);
}

void spoil_head(int fd, uint64_t offset) {
  write_head(fd, offset, std::array<std::byte, kTurnedBytes>{});
}

DeviceSink::DeviceSink(ByteSink& inner, int fd)
    : inner_(inner), fd_(fd), start_(static_cast<uint64_t>(lseek(fd, 0, SEEK_CUR))) {
}

void DeviceSink::write(std::span<const std::byte> bytes) {
  const auto head = bytes.first(std::min(bytes.size(), kTurnedBytes - held_));
  if (!head.empty()) {
    std::array<std::byte, kTurnedBytes> turned;
    std::ranges::copy(head, turned.begin());
    std::ranges::copy(head, head_.begin() + static_cast<ptrdiff_t>(held_));
    held_ += head.size();
    turn_bits(turned);
    inner_.write(std::span(turned).first(head.size()));
    sync_device(fd_);
  }
  inner_.write(bytes.subspan(head.size()));
}

void DeviceSink::finish() {
  sync_device(fd_);
  write_head(fd_, start_, std::span(head_).first(held_));
}

}  // namespace ferry
