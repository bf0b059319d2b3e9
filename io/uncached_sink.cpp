// Writes to a file so that nothing of it stays in the page cache (drawn in uncached_sink.h).
#include "io/uncached_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "error/error.h"

namespace ferry {
namespace {

// What O_DIRECT wants addresses and sizes to be multiples of; file systems want no more.
constexpr size_t kBlock = 4096;
constexpr size_t kBuffer = 2 << 20;
constexpr std::align_val_t kAligned{kBlock};

uint64_t position(int fd) {
  const off_t at = lseek(fd, 0, SEEK_CUR);
  if (at < 0) fail_errno(Errc::io, errno, "cannot tell where the image begins in its file");
  return static_cast<uint64_t>(at);
}

}  // namespace

bool is_regular_file(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

void UncachedSink::Free::operator()(std::byte* memory) const {
  ::operator delete(memory, kAligned);
}

UncachedSink::UncachedSink(ByteSink& inner, int fd)
    : inner_(inner),
      fd_(fd),
      start_(position(fd)),
      at_(start_),
      buffer_(static_cast<std::byte*>(::operator new(kBuffer, kAligned))) {
}

UncachedSink::~UncachedSink() {
  set_direct(false);
}

// False if that cannot be.
bool UncachedSink::set_direct(bool on) {
  if (direct_ == on) return true;
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
    return false;
  direct_ = on;
  return true;
}

// What the buffer takes: up to the end of a block at first, whole blocks then.
size_t UncachedSink::room() const {
  const size_t behind = at_ % kBlock;
  return behind == 0 ? kBuffer : kBlock - behind;
}

void UncachedSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto some = bytes.first(std::min(bytes.size(), room() - filled_));
    std::memcpy(buffer_.get() + filled_, some.data(), some.size());
    filled_ += some.size();
    bytes = bytes.subspan(some.size());
    if (filled_ == room()) flush();
  }
}

void UncachedSink::flush() {
  const std::span<const std::byte> all(buffer_.get(), filled_);
  const bool blocks = at_ % kBlock == 0 && filled_ % kBlock == 0;
  filled_ = 0;  // what fails is not written again
  can_direct_ = can_direct_ && (!blocks || set_direct(true));
  if (blocks && can_direct_) {
    write_direct(all);
  } else {
    set_direct(false);
    inner_.write(all);
    write_behind(all.size());
  }
  at_ += all.size();
}

// Some file systems take the flag and refuse the write; and one that was cut short has left us
// somewhere in a block.
void UncachedSink::write_direct(std::span<const std::byte> blocks) {
  try {
    inner_.write(blocks);
  } catch (const Error& error) {
    if (error.os_errno() != EINVAL) throw;
    can_direct_ = false;
    set_direct(false);
    inner_.write(blocks.subspan(position(fd_) - at_));
  }
}

// The disk begins with this, and is waited for with what was written before. Only a hint: whoever
// wants it on the disk syncs.
void UncachedSink::write_behind(size_t bytes) {
  const auto here = static_cast<off_t>(at_), size = static_cast<off_t>(bytes);
  sync_file_range(fd_, here, size, SYNC_FILE_RANGE_WRITE);
  const auto before = std::min<off_t>(here - static_cast<off_t>(start_), kBuffer);
  if (before == 0) return;
  constexpr unsigned kAll =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  sync_file_range(fd_, here - before, before, kAll);
  posix_fadvise(fd_, here - before, before, POSIX_FADV_DONTNEED);
}

void UncachedSink::finish() {
  if (filled_ != 0) flush();
  set_direct(false);
}

void UncachedSink::drop() const {
  posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace ferry
