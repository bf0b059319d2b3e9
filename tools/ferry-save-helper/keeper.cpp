// Keeps a guest's lock until xl has let the guest go.
#include "tools/ferry-save-helper/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "error/error.h"

namespace ferry::helper {
namespace {

constexpr int kLookAgainMs = 100;
constexpr int kFirstDescriptor = 3;

// Readable once the process has ended.
Descriptor watch_process(pid_t pid) {
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// In the child, between fork and exec: nothing but system calls, for this process has threads.
// Its descriptors: 0 to 2 nowhere, the lock, whoever started the helper, and nothing else.
[[noreturn]] void become_keeper(const std::vector<char*>& argv, int nowhere, int lock,
                                int starter) {
  if (setsid() < 0 || fork() != 0) _exit(0);
  for (int fd = 0; fd < kFirstDescriptor; ++fd) dup2(nowhere, fd);
  const int low = lock < starter ? lock : starter, high = lock < starter ? starter : lock;
  const auto close_all = [](int first, int last) {
    if (first <= last)
      syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0);
  };
  close_all(kFirstDescriptor, low - 1);
  close_all(low + 1, high - 1);
  close_all(high + 1, ~0u >> 1);
  fcntl(lock, F_SETFD, 0);
  fcntl(starter, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (chdir("/") == 0) execv("/proc/self/exe", argv.data());
  _exit(1);
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
  const Descriptor nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!starter || !nowhere) return;
  std::vector<std::string> words = {"ferry-save-helper",
                                    "--keep-lock",
                                    std::to_string(raw(domain.domid)),
                                    uuid_text(domain.uuid),
                                    std::to_string(lock.descriptor()),
                                    std::to_string(starter.get())};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return;
  if (child == 0) become_keeper(argv, nowhere.get(), lock.descriptor(), starter.get());
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
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
