// Keeps a guest's lock until xl has let the guest go.
#include "tools/ferry-save-helper/keeper.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "error/error.h"
#include "host/detached.h"
#include "io/descriptor.h"

namespace ferry::helper {
namespace {

constexpr int kLookAgainMs = 100;

// Readable once the process has ended.
Descriptor watch_process(pid_t pid) {
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool is_let_go(const Hypervisor& xen, domid_t domid, const DomainUuid& uuid) {
  try {
    const DomainInfo now = get_domain(xen, domid);
    return now.uuid != uuid || !now.suspended || now.dying;
  } catch (const Error& e) {
    return e.code() == Errc::no_domain;
  }
}

}  // namespace

void keep_lock_until_let_go(DomainLock& lock, const DomainInfo& domain) {
  const Descriptor starter = watch_process(getppid());
  if (!starter) return;
  const bool kept = host::start_detached(
      "/proc/self/exe",
      {"ferry-save-helper", "--keep-lock", std::to_string(raw(domain.domid)),
       uuid_text(domain.uuid), std::to_string(lock.descriptor()), std::to_string(starter.get())},
      {lock.descriptor(), starter.get()});
  if (!kept) return;
  lock.hand_on();
}

int run_keeper(char** argv) {
  const domid_t domid{static_cast<uint16_t>(std::atoi(argv[2]))};
  const DomainUuid uuid = uuid_of(argv[3]);
  const DomainLock lock = DomainLock::keep(domid, std::atoi(argv[4]));
  pollfd starter = {std::atoi(argv[5]), POLLIN, 0};
  const Hypervisor xen;
  while (!is_let_go(xen, domid, uuid) && poll(&starter, 1, kLookAgainMs) == 0) {
  }
  return 0;
}

}  // namespace ferry::helper
