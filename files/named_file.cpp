// A file that is known again by more than its name.
#include "files/named_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

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

// NAME.12 or NAME.12-3, of a NAME that may have been cut for it: what ImageOutput calls a file
// until it gets its name.
bool is_name_until_then(const std::string& entry, const std::string& name) {
  const size_t dot = entry.rfind('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == entry.size()) return false;
  if (entry.find_first_not_of("0123456789-", dot + 1) != std::string::npos) return false;
  constexpr size_t kCut = 200;
  return name.starts_with(entry.substr(0, dot)) && (dot == name.size() || dot > kCut);
}

// Where a save was killed before the file had its name.
std::optional<std::string> path_until_then(const NamedFile& file) {
  const std::filesystem::path named = file.path;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(named.parent_path(), none)) {
    if (!is_name_until_then(entry.path().filename(), named.filename())) continue;
    NamedFile under_that = file;
    under_that.path = entry.path();
    if (has_its_path(under_that)) return under_that.path;
  }
  return std::nullopt;
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

Removed remove_file(const NamedFile& wanted) noexcept {
  struct stat now = {};
  NamedFile file = wanted;
  if (!found(file, now)) {
    const auto path = path_until_then(file);
    if (!path) return Removed::none;
    file.path = *path;
    if (!found(file, now)) return Removed::none;
  }
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
