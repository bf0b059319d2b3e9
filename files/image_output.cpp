// Where a saved image goes.
#include "files/image_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "error/error.h"
#include "files/durable.h"

namespace ferry {

ImageOutput::ImageOutput(const std::string& path) : path_(path) {
  if (!durable()) {
    // The engine's standard output is its conversation with us, so the image needs a number beyond.
    fd_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd_ < 0) fail_errno(Errc::io, errno, "cannot write to standard output");
    return;
  }
  struct stat status = {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail(Errc::io, "{} exists and is no regular file", path);
  fd_ = open(folder().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ >= 0) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
    fail_errno(Errc::io, errno, fmt::format("cannot write in {}", folder()));
  temporary_ = path + ".XXXXXX";
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) {
    temporary_.clear();
    fail_errno(Errc::io, errno, fmt::format("cannot write in {}", folder()));
  }
}

ImageOutput::~ImageOutput() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  close(fd_);
}

std::string ImageOutput::folder() const {
  const auto parent = std::filesystem::path(path_).parent_path();
  return parent.empty() ? "." : parent.string();
}

// A free name: a save that was killed may have left one, and have had our process number.
std::string ImageOutput::link_beside() const {
  constexpr unsigned kMostNames = 1000;
  const std::string self = fmt::format("/proc/self/fd/{}", fd_);
  for (unsigned n = 0;; ++n) {
    std::string name = fmt::format("{}.{}", path_, getpid());
    if (n > 0) name += fmt::format("-{}", n);
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return name;
    if (errno != EEXIST || n == kMostNames)
      fail_errno(Errc::io, errno, fmt::format("cannot give the image the name {}", name));
  }
}

void ImageOutput::commit() {
  if (!durable()) return;
  if (fsync(fd_) != 0) fail_errno(Errc::io, errno, fmt::format("cannot sync {}", path_));
  if (temporary_.empty()) {
    // A file without a name cannot take one that exists: it takes a new one, and then the old.
    temporary_ = link_beside();
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the name {}", path_));
  temporary_.clear();
  try {
    sync_folder(folder());
  } catch (const Error& e) {
    throw Error(e.code(),
                fmt::format("{} is written, but may have lost its name after a power failure ({})",
                            path_, e.what()),
                e.os_errno());
  }
  committed_ = true;
}

void ImageOutput::withdraw() noexcept {
  if (!committed_) return;
  committed_ = false;
  // Only what is ours: by now somebody may have put another file there.
  struct stat ours = {}, named = {};
  if (fstat(fd_, &ours) != 0 || stat(path_.c_str(), &named) != 0 || ours.st_ino != named.st_ino ||
      ours.st_dev != named.st_dev)
    return;
  unlink(path_.c_str());
}

}  // namespace ferry
