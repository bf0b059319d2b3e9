// What a guest is to be saved to.
#include "files/save_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <filesystem>

#include "error/error.h"

namespace ferry {
namespace {

constexpr unsigned kMostLinks = 40;  // as many as Linux follows

[[noreturn]] void cannot(const std::string& path, std::string_view why) {
  fail(Errc::io, "cannot save to {}: {}", path, why);
}
[[noreturn]] void cannot(const std::string& path, int os_errno) {
  fail_errno(Errc::io, os_errno, fmt::format("cannot save to {}", path));
}

// In a folder such as /tmp, or one without its sticky bit, whatever the kernel is set to: what
// another user has put there may be meant to catch what we write.
void refuse_what_others_laid_out(const std::string& path, const struct stat& there) {
  struct stat folder = {};
  if (stat(folder_of(path).c_str(), &folder) != 0) cannot(path, errno);
  if ((folder.st_mode & S_IWOTH) == 0 || there.st_uid == geteuid() || there.st_uid == folder.st_uid)
    return;
  fail(Errc::io,
       "cannot save to {}: user {} has put it into a folder that everybody may write to, and could "
       "get at the guest's memory",
       path, there.st_uid);
}

std::string read_link(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t n = readlink(path.c_str(), target.data(), target.size());
  if (n < 0) cannot(path, errno);
  target.resize(static_cast<size_t>(n));
  return target;
}

std::string follow_links(const std::string& given) {
  std::string path = given;
  for (unsigned n = 0; n <= kMostLinks; ++n) {
    struct stat there = {};
    if (lstat(path.c_str(), &there) != 0) {
      if (errno != ENOENT) cannot(given, errno);
      return path;
    }
    if (!S_ISLNK(there.st_mode)) return path;
    refuse_what_others_laid_out(path, there);
    path =
        std::filesystem::path(folder_of(path)) / read_link(path);  // an absolute one stands alone
  }
  cannot(given, ELOOP);
}

// Those of statx(2) that the file system knows of.
uint64_t attributes_of(const std::string& path) {
  struct statx status = {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &status) != 0) return 0;
  return status.stx_attributes & status.stx_attributes_mask;
}

void check_replaceable(const SaveTarget& target, const std::string& given, const struct stat& was) {
  struct stat found = {};
  if (lstat(target.path.c_str(), &found) != 0 || found.st_ino != was.st_ino ||
      found.st_dev != was.st_dev)
    cannot(given, "it leads to a file that has no name any more");
  const uint64_t attributes = attributes_of(target.path);
  if (attributes & STATX_ATTR_MOUNT_ROOT)
    cannot(given, "something is mounted there, so no new file can take its place");
  if (attributes & STATX_ATTR_APPEND)
    cannot(given, "it is append-only (chattr +a), so no new file can take its place");
  if (attributes & STATX_ATTR_IMMUTABLE) cannot(given, "it is immutable (chattr +i)");
  // Also of root: a read-only file system.
  if (faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) cannot(given, errno);
}

// Of root too, who may write to any other. In one that is append-only files can be made, but none
// of them gets another name, or goes.
void check_folder(const std::string& path, const std::string& given) {
  const std::string folder = folder_of(path);
  const uint64_t attributes = attributes_of(folder);
  if (attributes & STATX_ATTR_APPEND)
    cannot(given, fmt::format("the folder {} is append-only (chattr +a)", folder));
  if (attributes & STATX_ATTR_IMMUTABLE)
    cannot(given, fmt::format("the folder {} is immutable (chattr +i)", folder));
}

TargetKind kind_of(const std::string& path, const struct stat& there) {
  if (S_ISREG(there.st_mode)) return TargetKind::file;
  if (S_ISBLK(there.st_mode)) return TargetKind::device;
  if (S_ISFIFO(there.st_mode)) return TargetKind::fifo;
  if (S_ISDIR(there.st_mode)) cannot(path, "it is a folder; name a file in it");
  if (S_ISSOCK(there.st_mode)) cannot(path, "it is a socket");
  cannot(path, "it is a character device, which keeps nothing");
}

}  // namespace

std::string folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

SaveTarget find_save_target(const std::string& path) {
  SaveTarget target{TargetKind::file, path, {}};
  if (path == "-") {
    target.kind = TargetKind::standard_output;
    return target;
  }
  if (path.empty()) fail(Errc::usage, "name a file to save to");
  struct stat there = {};
  const bool exists = stat(path.c_str(), &there) == 0;
  if (!exists && errno != ENOENT) cannot(path, errno);
  if (exists) target.kind = kind_of(path, there);
  const std::string led_to = follow_links(path);
  if (exists && target.kind != TargetKind::device) refuse_what_others_laid_out(led_to, there);
  // What else there is may have no path of its own: /dev/stdout leads to a pipe.
  if (target.kind != TargetKind::file) return target;
  target.path = led_to;
  check_folder(target.path, path);
  if (!exists) return target;
  check_replaceable(target, path, there);
  target.was = {there.st_uid, there.st_gid, there.st_mode & 0777};
  return target;
}

bool is_stream(const std::string& path) {
  struct stat there = {};
  return path == "-" || (stat(path.c_str(), &there) == 0 && S_ISFIFO(there.st_mode));
}

}  // namespace ferry
