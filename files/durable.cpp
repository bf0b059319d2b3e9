// Files and folders that are on the disk when the call returns.
#include "files/durable.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "error/error.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

[[noreturn]] void fail_to_write(const std::string& path, int why) {
  unlink(path.c_str());
  fail_errno(Errc::io, why, fmt::format("cannot write {}", path));
}

// A new file, whatever has that name: what a killed one has left may be anything.
void write_synced(const std::string& path, std::string_view contents) {
  unlink(path.c_str());
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) fail_errno(Errc::io, errno, fmt::format("cannot write {}", path));
  while (!contents.empty()) {  // a part may be written, and why not all of it is told by the next
    const ssize_t n = write(file.get(), contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_to_write(path, n < 0 ? errno : ENOSPC);
    contents.remove_prefix(static_cast<size_t>(n));
  }
  if (fsync(file.get()) != 0) fail_to_write(path, errno);
}

}  // namespace

void sync_folder(const std::string& folder) {
  const Descriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot sync {}", folder));
}

void write_durably(const std::string& path, std::string_view contents) {
  const std::string fresh = path + ".new";
  write_synced(fresh, contents);
  if (std::rename(fresh.c_str(), path.c_str()) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot rename {}", fresh));
  const auto folder = std::filesystem::path(path).parent_path();
  sync_folder(folder.empty() ? "." : folder.string());
}

}  // namespace ferry
