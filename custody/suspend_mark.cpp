// A note that a save of ours has asked a domain to suspend:
//
//   +---------+---------+--------+----------------+--------+------------------------------------+
//   | 16 uuid | 16 boot | 16 job | 4 pid of owner | 4 bits | 8 CPU time, ns, or all ones        |
//   +---------+---------+--------+----------------+--------+------------------------------------+
//
// boot: of this host (custody/host_boot.h); job: zeros for none; bits: 1 if the guest was paused,
// and is to be again; CPU time: the domain's.
#include "custody/suspend_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "custody/host_boot.h"
#include "error/error.h"
#include "files/run_directory.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

struct Mark {
  DomainUuid uuid{}, boot{}, job{};
  uint32_t owner = 0;
  uint32_t bits = 0;
  uint64_t cpu_time_ns = ~uint64_t{0};  // all ones: it holds until it is removed
};

uint32_t this_process() {
  return static_cast<uint32_t>(getpid());
}

constexpr uint32_t kWasPaused = 1;

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
  const ssize_t n = file ? write(file.get(), &mark, sizeof mark) : -1;
  if (n == ssize_t{sizeof mark}) return;
  const int os_errno = n < 0 ? errno : ENOSPC;
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

void leave_suspend_mark(domid_t domid, const DomainUuid& uuid, const std::string& job,
                        bool was_paused) {
  write_mark(domid, {.uuid = uuid,
                     .boot = uuid_of(host_boot()),
                     .job = job.empty() ? DomainUuid{} : uuid_of(job),
                     .owner = this_process(),
                     .bits = was_paused ? kWasPaused : 0});
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
  if (!is_ours(domain.domid)) return;
  Mark mark{.uuid = domain.uuid, .boot = uuid_of(host_boot()), .owner = this_process()};
  mark.cpu_time_ns = domain.cpu_time_ns;
  write_mark(domain.domid, mark);
}

namespace {

std::optional<Mark> mark_of(const DomainInfo& domain) {
  const auto mark = read_mark(domain.domid);
  if (!mark || mark->uuid != domain.uuid || mark->boot != uuid_of(host_boot())) return std::nullopt;
  const bool holds =
      mark->cpu_time_ns == ~uint64_t{0} || domain.cpu_time_ns <= mark->cpu_time_ns + kBookedLateNs;
  return holds ? mark : std::nullopt;
}

}  // namespace

bool has_suspend_mark(const DomainInfo& domain) {
  return mark_of(domain).has_value();
}

bool was_paused_by_suspend_mark(const DomainInfo& domain) {
  const auto mark = mark_of(domain);
  return mark && (mark->bits & kWasPaused);
}

std::string job_in_suspend_mark(const DomainInfo& domain) {
  const auto mark = mark_of(domain);
  if (!mark || mark->job == DomainUuid{}) return {};
  std::string job;
  for (const uint8_t byte : mark->job) job += fmt::format("{:02x}", byte);
  return job;
}

}  // namespace ferry
