// What somebody who has taken over a reader might ask the kernel for, and what readers themselves
// do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>
#include <vector>

#include "sandbox/confine.h"
#include "tests/sandbox/in_child.h"

namespace ferry::test {
namespace {

using sandbox::confine;
using sandbox::limits_for;

constexpr int kNoFilter = 200;  // exit code
constexpr long kKilled = -1;    // instead of an errno

struct Attempt {
  const char* what;
  std::function<long()> ask;
  long outcome = kKilled;
};

void PrintTo(const Attempt& attempt, std::ostream* out) {
  *out << attempt.what;
}

char file_of_ours[] = "/proc/self/exe";
char* no_words[] = {nullptr};

long ask(long call, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return ::syscall(call, a, b, c, d, e, f);
}
long at(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}
long open_as(const char* path, int flags) {
  return ask(SYS_openat, AT_FDCWD, at(path), flags, 0600);
}
long map_as(int protection, int flags) {
  return ask(SYS_mmap, 0, 4096, protection, flags, -1, 0);
}
long old_system_call() {  // of 32-bit programs, whose numbers are others: 5 is open
  long result = 5;
  asm volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
  return result;
}

const open_how kToRead = {.flags = O_RDONLY, .mode = 0, .resolve = 0};
const rlimit kNoLimit = {RLIM_INFINITY, RLIM_INFINITY};

const Attempt kAttempts[] = {
    // files: for reading the C library itself may ask
    {"open for reading", [] { return open_as("/etc/passwd", O_RDONLY); }, EACCES},
    {"open by the old call", [] { return ask(SYS_open, at("/etc/passwd"), O_RDONLY); }, EACCES},
    {"open a folder", [] { return open_as("/", O_RDONLY | O_DIRECTORY); }, EACCES},
    {"open as a place only", [] { return open_as("/", O_PATH); }, EACCES},
    {"stat", [] { return ask(SYS_newfstatat, AT_FDCWD, at("/etc/passwd"), 0, 0); }, EACCES},
    {"open for writing", [] { return open_as("/dev/null", O_WRONLY); }},
    {"open for both", [] { return open_as("/dev/null", O_RDWR); }},
    {"make a file", [] { return open_as("/tmp/made", O_RDONLY | O_CREAT); }},
    {"make a file without a name", [] { return open_as("/tmp", O_TMPFILE | O_RDWR); }},
    {"cut a file", [] { return open_as("/dev/null", O_RDONLY | O_TRUNC); }},
    {"openat2", [] { return ask(SYS_openat2, AT_FDCWD, at("/"), at(&kToRead), sizeof(kToRead)); }},
    {"Xen's hypercalls", [] { return open_as("/dev/xen/privcmd", O_RDWR); }},
    {"Xen's store", [] { return open_as("/dev/xen/xenbus", O_RDWR); }},
    {"creat", [] { return ask(SYS_creat, at("/tmp/made"), 0600); }},
    {"chmod", [] { return ask(SYS_chmod, at(file_of_ours), 0777); }},
    {"fchmod", [] { return ask(SYS_fchmod, 0, 0777); }},
    {"chown", [] { return ask(SYS_chown, at(file_of_ours), 0, 0); }},
    {"unlink", [] { return ask(SYS_unlink, at("/tmp/nothing")); }},
    {"unlinkat", [] { return ask(SYS_unlinkat, AT_FDCWD, at("/tmp/nothing"), 0); }},
    {"rename", [] { return ask(SYS_rename, at("/tmp/nothing"), at("/tmp/other")); }},
    {"renameat2",
     [] { return ask(SYS_renameat2, AT_FDCWD, at("/tmp/a"), AT_FDCWD, at("/tmp/b")); }},
    {"link", [] { return ask(SYS_link, at("/tmp/nothing"), at("/tmp/other")); }},
    {"linkat", [] { return ask(SYS_linkat, 0, at(""), AT_FDCWD, at("/tmp/x"), AT_EMPTY_PATH); }},
    {"symlink", [] { return ask(SYS_symlink, at("/etc/passwd"), at("/tmp/other")); }},
    {"mkdir", [] { return ask(SYS_mkdir, at("/tmp/made"), 0700); }},
    {"mknod", [] { return ask(SYS_mknod, at("/tmp/made"), 0600, 0); }},
    {"truncate", [] { return ask(SYS_truncate, at("/tmp/nothing"), 0); }},
    {"ftruncate", [] { return ask(SYS_ftruncate, 1, 0); }},
    {"chdir", [] { return ask(SYS_chdir, at("/")); }},
    {"chroot", [] { return ask(SYS_chroot, at("/")); }},
    {"mount", [] { return ask(SYS_mount, at("none"), at("/mnt"), at("tmpfs"), 0, 0); }},
    {"open_by_handle_at", [] { return ask(SYS_open_by_handle_at, 0, 0, 0); }},
    {"statx", [] { return ask(SYS_statx, AT_FDCWD, at("/"), 0, 0, 0); }},
    {"readlink", [] { return ask(SYS_readlink, at(file_of_ours), 0, 0); }},
    {"getdents", [] { return ask(SYS_getdents64, 0, 0, 0); }},
    {"inotify", [] { return ask(SYS_inotify_init1, 0); }},
    // descriptors
    {"dup", [] { return ask(SYS_dup, 1); }},
    {"dup2", [] { return ask(SYS_dup2, 1, 0); }},
    {"fcntl", [] { return ask(SYS_fcntl, 1, F_DUPFD, 3); }},
    {"pipe", [] { return ask(SYS_pipe2, 0, 0); }},
    {"memfd_create", [] { return ask(SYS_memfd_create, at("code"), 0); }},
    {"type into the terminal", [] { return ask(SYS_ioctl, 0, TIOCSTI, at("x")); }},
    {"splice", [] { return ask(SYS_splice, 0, 0, 1, 0, 1, 0); }},
    {"sendfile", [] { return ask(SYS_sendfile, 1, 0, 0, 1); }},
    // the network
    {"socket", [] { return ask(SYS_socket, AF_INET, SOCK_STREAM, 0); }},
    {"socket of this host", [] { return ask(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
    {"socketpair", [] { return ask(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0); }},
    {"connect", [] { return ask(SYS_connect, 0, 0, 0); }},
    {"bind", [] { return ask(SYS_bind, 0, 0, 0); }},
    {"accept", [] { return ask(SYS_accept4, 0, 0, 0, 0); }},
    {"sendmsg", [] { return ask(SYS_sendmsg, 0, 0, 0); }},
    {"recvmsg", [] { return ask(SYS_recvmsg, 0, 0, 0); }},
    // programs and processes
    {"exec", [] { return ask(SYS_execve, at("/bin/true"), at(no_words), at(no_words)); }},
    {"exec of a descriptor",
     [] { return ask(SYS_execveat, 0, at(""), at(no_words), at(no_words), AT_EMPTY_PATH); }},
    {"fork", [] { return ask(SYS_fork); }},
    {"vfork", [] { return ask(SYS_vfork); }},
    {"clone as fork does", [] { return ask(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
    {"clone of memory alone", [] { return ask(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0); }},
    {"clone into a namespace", [] { return ask(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }},
    {"clone3", [] { return ask(SYS_clone3, 0, 0); }, ENOSYS},
    {"unshare", [] { return ask(SYS_unshare, CLONE_NEWUSER); }},
    {"setns", [] { return ask(SYS_setns, 0, 0); }},
    {"kill", [] { return ask(SYS_kill, ::getppid(), 0); }},
    {"kill everybody", [] { return ask(SYS_kill, -1, 0); }},
    {"signal to another's thread", [] { return ask(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
    {"tkill", [] { return ask(SYS_tkill, ::getppid(), 0); }},
    {"rt_sigqueueinfo", [] { return ask(SYS_rt_sigqueueinfo, ::getppid(), SIGUSR1, 0); }},
    {"pidfd_open", [] { return ask(SYS_pidfd_open, ::getppid(), 0); }},
    {"ptrace", [] { return ask(SYS_ptrace, PTRACE_ATTACH, ::getppid(), 0, 0); }},
    {"be traced", [] { return ask(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
    {"read another's memory", [] { return ask(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }},
    {"write another's memory",
     [] { return ask(SYS_process_vm_writev, ::getppid(), 0, 0, 0, 0, 0); }},
    {"setpriority", [] { return ask(SYS_setpriority, PRIO_PROCESS, 0, -20); }},
    {"prlimit", [] { return ask(SYS_prlimit64, 0, RLIMIT_NOFILE, at(&kNoLimit), 0); }},
    {"setrlimit", [] { return ask(SYS_setrlimit, RLIMIT_DATA, at(&kNoLimit)); }},
    // memory that could be run, or that is on no account
    {"map code", [] { return map_as(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS); }},
    {"map a file's code", [] { return ask(SYS_mmap, 0, 4096, PROT_EXEC, MAP_PRIVATE, 0, 0); }},
    {"map shared memory",
     [] { return map_as(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS); }},
    {"make code of memory",
     [] {
       static char page[8192];
       const long start = (at(page) + 4095) & ~4095L;
       return ask(SYS_mprotect, start, 4096, PROT_READ | PROT_EXEC);
     }},
    {"pkey_mprotect", [] { return ask(SYS_pkey_mprotect, 0, 4096, PROT_EXEC, -1); }},
    {"remap_file_pages", [] { return ask(SYS_remap_file_pages, 0, 0, 0, 0, 0); }},
    {"shmget", [] { return ask(SYS_shmget, 1, 4096, 0600); }},
    {"shmat", [] { return ask(SYS_shmat, 0, 0, 0); }},
    {"personality", [] { return ask(SYS_personality, 0x0400000); }},
    // large parts of the kernel
    {"io_uring", [] { return ask(SYS_io_uring_setup, 1, 0); }},
    {"aio", [] { return ask(SYS_io_setup, 1, 0); }},
    {"keyctl", [] { return ask(SYS_keyctl, 0, 0, 0); }},
    {"add_key", [] { return ask(SYS_add_key, 0, 0, 0, 0, 0); }},
    {"bpf", [] { return ask(SYS_bpf, 0, 0, 0); }},
    {"perf_event_open", [] { return ask(SYS_perf_event_open, 0, 0, -1, -1, 0); }},
    {"userfaultfd", [] { return ask(SYS_userfaultfd, 0); }},
    {"msgget", [] { return ask(SYS_msgget, 1, 0600); }},
    {"timer_create", [] { return ask(SYS_timer_create, 0, 0, 0); }},
    {"modify_ldt", [] { return ask(SYS_modify_ldt, 0, 0, 0); }},
    {"seccomp", [] { return ask(SYS_seccomp, 0, 0, 0); }},
    {"prctl", [] { return ask(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
    {"32-bit numbers of calls", [] { return old_system_call(); }},
    {"calls of x32", [] { return ask(0x40000000 | SYS_getpid); }},
    {"a call that there is not", [] { return ask(1000); }},
    // what root may do
    {"setuid", [] { return ask(SYS_setuid, 0); }},
    {"capset", [] { return ask(SYS_capset, 0, 0); }},
    {"iopl", [] { return ask(SYS_iopl, 3); }},
    {"ioperm", [] { return ask(SYS_ioperm, 0x70, 1, 1); }},
    {"load a module", [] { return ask(SYS_finit_module, 0, at(""), 0); }},
    {"load a kernel", [] { return ask(SYS_kexec_load, 0, 0, 0, 0); }},
    {"reboot", [] { return ask(SYS_reboot, 0, 0, 0, 0); }},
    {"swapoff", [] { return ask(SYS_swapoff, at("/nothing")); }},
    {"sethostname", [] { return ask(SYS_sethostname, at("x"), 1); }},
    {"set the clock", [] { return ask(SYS_settimeofday, 0, 0); }},
};

class Attempts : public testing::TestWithParam<Attempt> {};

TEST_P(Attempts, fail) {
  const Attempt& attempt = GetParam();
  const Ended ended = in_child([&] {
    if (!confine(limits_for(0)).seccomp) return kNoFilter;
    return errno_of(attempt.ask());
  });
  if (ended.exited_with(kNoFilter)) GTEST_SKIP() << "the kernel gives no seccomp";
  if (attempt.outcome == kKilled)
    EXPECT_TRUE(ended.killed_by(SIGSYS)) << attempt.what << ": " << to_string(ended);
  else
    EXPECT_TRUE(ended.exited_with(static_cast<int>(attempt.outcome)))
        << attempt.what << ": " << to_string(ended);
}

INSTANTIATE_TEST_SUITE_P(Sandbox, Attempts, testing::ValuesIn(kAttempts));

// What the attempts are worth: without the filter most of them end no process.
TEST(Sandbox, the_attempts_would_do_something_without_it) {
  const Ended ended = in_child([] {
    int did = 0;
    did += open_as("/etc/passwd", O_RDONLY) >= 0;
    did += open_as("/dev/null", O_RDWR) >= 0;
    did += ask(SYS_socket, AF_UNIX, SOCK_STREAM, 0) >= 0;
    did += ask(SYS_memfd_create, at("code"), 0) >= 0;
    did += map_as(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS) != -1;
    did += ask(SYS_kill, ::getppid(), 0) == 0;
    return did;
  });
  EXPECT_TRUE(ended.exited_with(6)) << to_string(ended);
}

// Threads that allocate much and give it back, from an arena each.
void use_memory(unsigned times) {
  for (unsigned i = 0; i < times; ++i) {
    std::vector<std::vector<char>> much;
    for (size_t size = 16; size < 8u << 20; size *= 2) much.emplace_back(size, 'x');
  }
}

TEST(Sandbox, threads_memory_and_clocks_work_in_it) {
  const Ended ended = in_child([] {
    confine(limits_for(0));
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([] { use_memory(20); });
    for (std::thread& thread : threads) thread.join();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    timespec now = {};
    ask(SYS_clock_gettime, CLOCK_MONOTONIC, at(&now));
    return now.tv_sec + now.tv_nsec > 0 ? 0 : 1;
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

TEST(Sandbox, exceptions_and_descriptors_work_in_it) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Ended ended = in_child([&] {
    confine(limits_for(0));
    char magic[4];
    if (::pread(file, magic, 4, 0) != 4 || ::lseek(file, 0, SEEK_END) < 4) return 1;
    if (::write(ends[1], magic, 4) != 4) return 2;
    std::printf("%s", "");
    try {
      throw std::runtime_error("caught");
    } catch (const std::exception&) {
      return 0;
    }
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
  char magic[4] = {};
  EXPECT_EQ(::read(ends[0], magic, 4), 4);
  EXPECT_EQ(std::string(magic + 1, 3), "ELF");
  for (const int fd : {file, ends[0], ends[1]}) ::close(fd);
}

TEST(Sandbox, a_failed_check_is_told_from_an_attempt) {
  const Ended ended = in_child([]() -> int {
    confine(limits_for(0));
    std::abort();
  });
  EXPECT_TRUE(ended.killed_by(SIGABRT)) << to_string(ended);
}

// A thread is no way out.
TEST(Sandbox, threads_are_held_too) {
  const Ended ended = in_child([] {
    if (!confine(limits_for(0)).seccomp) return kNoFilter;
    std::thread([] { ask(SYS_socket, AF_INET, SOCK_STREAM, 0); }).join();
    return 0;
  });
  if (ended.exited_with(kNoFilter)) GTEST_SKIP() << "the kernel gives no seccomp";
  EXPECT_TRUE(ended.killed_by(SIGSYS)) << to_string(ended);
}

}  // namespace
}  // namespace ferry::test
