// Which system calls a process that reads what came from outside may make.
//
// It uses descriptors that it has, its own memory, its own threads, and the clock. Whatever is not
// named here ends the whole process at once (SIGSYS): a reader never needs it, so whoever asks is
// somebody who has taken the reader over, and gets no second try. An error instead would let them
// go on, and nobody would hear of it. Errors are for what the C library asks by itself and can do
// without.
#include "sandbox/syscall_filter.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>

namespace ferry::sandbox {
namespace {

constexpr int kAllowed[] = {
    // descriptors
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(fstat), SCMP_SYS(close),
    // memory; mmap and mprotect are below
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // threads; clone is below
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
    // signals to itself; tgkill is below
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    // the clock, where the C library cannot read it by itself
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(getrandom)};

// What pthread_create of the C library asks for, and nothing but that.
constexpr scmp_datum_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                 CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                 CLONE_CHILD_CLEARTID;
constexpr scmp_datum_t kAllBits = ~scmp_datum_t{0};
constexpr scmp_datum_t kToWrite = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
// Naming a mapping, which newer C libraries can be told to do (linux/prctl.h).
constexpr scmp_datum_t kNameMapping = 0x53564d41;
// A mapping that may lose its contents (linux/mman.h of later kernels).
constexpr scmp_datum_t kDroppable = 0x08;

using Arguments = std::initializer_list<scmp_arg_cmp>;

scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release) {
    if (!context_) set_failure(-EOPNOTSUPP);  // it does not say why: no seccomp, or one too old
    if (failure_ != 0) return;
    set_failure(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    set_failure(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1));
  }

  // If all of these hold of its arguments.
  void add(uint32_t action, int call, Arguments arguments = {}) {
    if (failure_ == 0)
      set_failure(seccomp_rule_add_array(context_.get(), action, call,
                                         static_cast<unsigned>(arguments.size()),
                                         arguments.begin()));
  }
  void allow(int call, Arguments arguments = {}) { add(SCMP_ACT_ALLOW, call, arguments); }
  void refuse(int error, int call, Arguments arguments = {}) {
    add(SCMP_ACT_ERRNO(static_cast<uint32_t>(error)), call, arguments);
  }

  // An errno, or 0.
  int load() {
    if (failure_ == 0) set_failure(seccomp_load(context_.get()));
    return -failure_;
  }

 private:
  void set_failure(int rc) {
    if (failure_ == 0 && rc < 0) failure_ = rc;
  }

  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int failure_ = 0;
};

// Private memory that holds no code: a mapping that others share is on no account of ours.
void allow_memory(Filter& filter) {
  filter.allow(SCMP_SYS(mmap), {masked(2, PROT_EXEC, 0), masked(3, MAP_TYPE, MAP_PRIVATE)});
  filter.allow(SCMP_SYS(mprotect), {masked(2, PROT_EXEC, 0)});
  // Newer C libraries make random numbers in one; without, they ask the kernel for each.
  filter.refuse(ENOMEM, SCMP_SYS(mmap), {masked(2, PROT_EXEC, 0), masked(3, MAP_TYPE, kDroppable)});
}

void allow_threads(Filter& filter) {
  filter.allow(SCMP_SYS(clone), {masked(0, kAllBits, kThread)});
  // Its flags are in memory, where no filter sees them; the C library falls back to clone.
  filter.refuse(ENOSYS, SCMP_SYS(clone3));
  // abort(), so that a failed check is told from somebody who asks for too much.
  filter.allow(SCMP_SYS(tgkill), {masked(0, kAllBits, static_cast<scmp_datum_t>(getpid()))});
}

// Whoever has a connection can end it, and see how it is.
void allow_connections(Filter& filter) {
  filter.allow(SCMP_SYS(shutdown));
  filter.allow(SCMP_SYS(getsockopt),
               {masked(1, kAllBits, IPPROTO_TCP), masked(2, kAllBits, TCP_INFO)});
}

void refuse_what_the_c_library_asks(Filter& filter) {
  // The allocator looks for /proc/sys/vm/overcommit_memory once before it gives memory back.
  filter.refuse(EACCES, SCMP_SYS(openat), {masked(2, kToWrite, O_RDONLY)});
  filter.refuse(EACCES, SCMP_SYS(open), {masked(1, kToWrite, O_RDONLY)});
  // Standard output asks what it is before its first line.
  filter.refuse(EACCES, SCMP_SYS(newfstatat));
  filter.refuse(ENOTTY, SCMP_SYS(ioctl), {masked(1, kAllBits, TCGETS)});
  filter.refuse(EINVAL, SCMP_SYS(prctl), {masked(0, kAllBits, kNameMapping)});
}

}  // namespace

int filter_system_calls(Work work) noexcept {
  Filter filter;
  for (const int call : kAllowed) filter.allow(call);
  allow_memory(filter);
  allow_threads(filter);
  if (work == Work::connection) allow_connections(filter);
  refuse_what_the_c_library_asks(filter);
  return filter.load();
}

}  // namespace ferry::sandbox
