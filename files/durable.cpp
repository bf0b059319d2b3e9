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

void write_synced(const std::string& path, std::string_view contents) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool written = file &&
                       write(file.get(), contents.data(), contents.size()) ==
                           static_cast<ssize_t>(contents.size()) &&
                       fsync(file.get()) == 0;
  if (!written) fail_errno(Errc::io, errno, fmt::format("cannot write {}", path));
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
