// A file that is known again by more than its name.
#include "files/named_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "error/error.h"
#include "files/durable.h"

namespace ferry {
namespace {

int64_t changed_ns(const struct stat& status) {
  return int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

bool found(const NamedFile& file, struct stat& now) {
  return lstat(file.path.c_str(), &now) == 0 && now.st_dev == file.device &&
         now.st_ino == file.inode;
}

bool has_same_contents(const NamedFile& file, const struct stat& now) {
  return static_cast<uint64_t>(now.st_size) == file.bytes && changed_ns(now) == file.changed_ns;
}

}  // namespace

NamedFile named_file(int fd, const std::string& path) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) fail_errno(Errc::io, errno, fmt::format("cannot look at {}", path));
  return {std::filesystem::absolute(path).lexically_normal(), status.st_dev, status.st_ino,
          static_cast<uint64_t>(status.st_size), changed_ns(status)};
}

bool has_its_path(const NamedFile& file) noexcept {
  struct stat now = {};
  return found(file, now);
}

bool was_written_to(const NamedFile& file) noexcept {
  struct stat now = {};
  return found(file, now) && S_ISREG(now.st_mode) && !has_same_contents(file, now);
}

Removed remove_file(const NamedFile& file) noexcept {
  struct stat now = {};
  if (!found(file, now)) return Removed::none;
  if (!S_ISREG(now.st_mode) || !has_same_contents(file, now) || unlink(file.path.c_str()) != 0)
    return Removed::no;
  try {
    sync_folder(std::filesystem::path(file.path).parent_path().string());
  } catch (const std::exception&) {
    // It is gone unless the power fails now.
  }
  return Removed::yes;
}

}  // namespace ferry
