// A note that a save of ours has asked a domain to suspend.
#include "save/suspend_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"
#include "files/descriptor.h"
#include "files/run_directory.h"

namespace ferry {
namespace {

std::string mark_path(domid_t domid) {
  return fmt::format("{}/domain-{}.suspended", run_directory(), static_cast<unsigned>(domid));
}

}  // namespace

void leave_suspend_mark(domid_t domid, const DomainUuid& uuid) {
  const std::string path = mark_path(domid);
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || write(file.get(), uuid.data(), uuid.size()) != ssize_t{sizeof uuid})
    fail_errno(Errc::io, errno, fmt::format("cannot write {}", path));
}

void clear_suspend_mark(domid_t domid) {
  unlink(mark_path(domid).c_str());
}

bool has_suspend_mark(domid_t domid, const DomainUuid& uuid) {
  const Descriptor file(open(mark_path(domid).c_str(), O_RDONLY | O_CLOEXEC));
  DomainUuid marked{};
  return file && read(file.get(), marked.data(), marked.size()) == ssize_t{sizeof marked} &&
         marked == uuid;
}

}  // namespace ferry
