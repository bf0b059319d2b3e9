// A note that a save of ours has asked a domain to suspend:
//
//   +---------+-----------------+----------+--------------------------------------------+
//   | 16 uuid | 4 pid of owner  | 4 zero   | 8 CPU time of the domain, ns, or all ones  |
//   +---------+-----------------+----------+--------------------------------------------+
#include "custody/suspend_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "error/error.h"
#include "files/run_directory.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

struct Mark {
  DomainUuid uuid{};
  uint32_t owner = 0;
  uint32_t zero = 0;
  uint64_t cpu_time_ns = ~uint64_t{0};  // all ones: it holds until it is removed
};

// What Xen still books on a domain after it has said that it is suspended.
constexpr uint64_t kBookedLateNs = 5'000'000;

uint32_t this_process() {
  return static_cast<uint32_t>(getpid());
}

std::string mark_path(domid_t domid) {
  return fmt::format("{}/domain-{}.suspended", run_directory(), static_cast<unsigned>(domid));
}

std::optional<Mark> read_mark(domid_t domid) {
  const Descriptor file(open(mark_path(domid).c_str(), O_RDONLY | O_CLOEXEC));
  Mark mark;
  if (!file || read(file.get(), &mark, sizeof mark) != ssize_t{sizeof mark}) return std::nullopt;
  return mark;
}

// Over what is there: at no moment is there none.
void write_mark(domid_t domid, const Mark& mark) {
  const std::string path = mark_path(domid);
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (file && write(file.get(), &mark, sizeof mark) == ssize_t{sizeof mark}) return;
  const int os_errno = errno;
  unlink(path.c_str());
  fail_errno(Errc::io, os_errno, fmt::format("cannot write {}", path));
}

bool is_ours(domid_t domid) noexcept {
  try {
    const auto mark = read_mark(domid);
    return mark && mark->owner == this_process();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void leave_suspend_mark(domid_t domid, const DomainUuid& uuid) {
  write_mark(domid, {.uuid = uuid, .owner = this_process()});
}

void clear_suspend_mark(domid_t domid) noexcept {
  try {
    unlink(mark_path(domid).c_str());
  } catch (const Error&) {
    // Without a folder there is no note.
  }
}

void clear_own_suspend_mark(domid_t domid) noexcept {
  if (is_ours(domid)) clear_suspend_mark(domid);
}

void expire_own_suspend_mark(const DomainInfo& domain) {
  if (is_ours(domain.domid))
    write_mark(domain.domid, {domain.uuid, this_process(), 0, domain.cpu_time_ns});
}

bool has_suspend_mark(const DomainInfo& domain) {
  const auto mark = read_mark(domain.domid);
  if (!mark || mark->uuid != domain.uuid) return false;
  return mark->cpu_time_ns == ~uint64_t{0} ||
         domain.cpu_time_ns <= mark->cpu_time_ns + kBookedLateNs;
}

}  // namespace ferry
