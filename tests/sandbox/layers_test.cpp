// Each part of the sandbox holds without the others.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "sandbox/confine.h"
#include "sandbox/landlock.h"
#include "sandbox/limits.h"
#include "sandbox/rights.h"
#include "sandbox/syscall_filter.h"
#include "tests/sandbox/in_child.h"

namespace ferry::test {
namespace {

using namespace sandbox;

constexpr int kNotHere = 200;  // exit code

int behind_landlock(const std::function<long()>& attempt, unsigned abi = 1) {
  forbid_new_privileges();
  if (forbid_paths() < abi) return kNotHere;
  return errno_of(attempt());
}

void expect_refused_by_landlock(const char* what, int error, const std::function<long()>& attempt,
                                unsigned abi = 1) {
  const Ended ended = in_child([&] { return behind_landlock(attempt, abi); });
  if (ended.exited_with(kNotHere)) return;  // this kernel's has it not
  EXPECT_TRUE(ended.exited_with(error)) << what << ": " << to_string(ended);
}

TEST(Landlock, is_what_the_kernel_has) {
  const Ended ended = in_child([] { return behind_landlock([] { return 0L; }); });
  if (ended.exited_with(kNotHere)) GTEST_SKIP() << "the kernel gives no Landlock";
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

TEST(Landlock, leaves_no_path) {
  char name[] = "/tmp/ferry-landlock-XXXXXX";
  const int file = ::mkstemp(name);
  ASSERT_GE(file, 0);
  expect_refused_by_landlock("read", EACCES, [&] { return ::open(name, O_RDONLY); });
  expect_refused_by_landlock("write", EACCES, [&] { return ::open(name, O_WRONLY); });
  expect_refused_by_landlock("list", EACCES, [] { return ::open("/tmp", O_RDONLY | O_DIRECTORY); });
  expect_refused_by_landlock("make", EACCES,
                             [&] { return ::mkdir((std::string(name) + ".made").c_str(), 0700); });
  expect_refused_by_landlock("remove", EACCES, [&] { return ::unlink(name); });
  expect_refused_by_landlock(
      "rename", EACCES, [&] { return ::rename(name, (std::string(name) + ".other").c_str()); });
  expect_refused_by_landlock("run", EACCES, [] { return ::execl("/bin/true", "true", nullptr); });
  EXPECT_EQ(::access(name, F_OK), 0);
  ::unlink(name);
  ::close(file);
}

TEST(Landlock, leaves_descriptors_as_they_are) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const Ended ended = in_child([&] {
    return behind_landlock([&] {
      char byte;
      return ::pread(file, &byte, 1, 0) == 1 ? 0L : -1L;
    });
  });
  EXPECT_TRUE(ended.exited_with(0) || ended.exited_with(kNotHere)) << to_string(ended);
  ::close(file);
}

TEST(Landlock, leaves_no_connection) {
  expect_refused_by_landlock(
      "connect", EACCES,
      [] {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
      },
      4);
}

TEST(Landlock, leaves_no_other_process) {
  expect_refused_by_landlock(
      "signal", EPERM, [] { return ::kill(::getppid(), 0); }, 6);
}

TEST(Rights, of_root_are_gone) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is not root";
  char name[] = "/tmp/ferry-rights-XXXXXX";
  const int file = ::mkstemp(name);  // for root alone
  ASSERT_GE(file, 0);
  const Ended ended = in_child([&] {
    if (!become_nobody() || !drop_capabilities()) return kNotHere;
    if (::getuid() == 0 || ::getgid() == 0 || ::getgroups(0, nullptr) != 0) return 1;
    if (errno_of(::open(name, O_RDONLY)) != EACCES) return 2;
    if (errno_of(::kill(::getppid(), 0)) != EPERM) return 3;
    if (errno_of(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)) != EPERM) return 4;
    if (errno_of(::setuid(0)) != EPERM || errno_of(::setgid(0)) != EPERM) return 5;
    return errno_of(::chroot("/")) == EPERM ? 0 : 6;
  });
  if (ended.exited_with(kNotHere)) GTEST_SKIP() << "this root may not become another user";
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
  ::unlink(name);
  ::close(file);
}

// Also where there is no other user to become, as in some containers.
TEST(Rights, of_root_without_another_user_are_gone) {
  const Ended ended = in_child([] {
    if (!drop_capabilities()) return 1;
    return errno_of(::chroot("/")) == EPERM ? 0 : 2;
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

TEST(Rights, leave_nobody_who_could_trace_it) {
  const Ended ended = in_child([] {
    hide_and_end_with_parent();
    int signal = 0;
    if (::prctl(PR_GET_PDEATHSIG, &signal) != 0 || signal != SIGKILL) return 1;
    return ::prctl(PR_GET_DUMPABLE);
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

TEST(Limits, hold_memory_and_descriptors) {
  const Ended ended = in_child([] {
    if (!set_limits({.cpu_seconds = 60, .memory_bytes = 64u << 20})) return 1;
    void* const much = std::malloc(128u << 20);
    if (much != nullptr) return 2;
    if (errno_of(::dup(1)) != EMFILE) return 3;
    rlimit core = {};
    return ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : 4;
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

TEST(Limits, hold_processor_time) {
  const Ended ended = in_child([]() -> int {
    set_limits({.cpu_seconds = 1, .memory_bytes = 64u << 20});
    spin();
  });
  EXPECT_TRUE(ended.killed_by(SIGXCPU)) << to_string(ended);
}

TEST(Limits, are_far_beyond_what_a_sound_file_takes) {
  EXPECT_GE(limits_for(0).memory_bytes, 1u << 30);
  EXPECT_GE(limits_for(uint64_t{1} << 40).cpu_seconds, 1'000'000u);
}

// All at once, and as the process itself sees it.
TEST(Confinement, says_what_it_took) {
  const Ended ended = in_child([] {
    const bool root = ::geteuid() == 0;
    const Confinement taken = confine(limits_for(0));
    if (!taken.no_new_privs || !taken.no_capabilities || !taken.limits) return 1;
    if (taken.nobody && (!root || ::syscall(SYS_getpid) <= 0)) return 2;
    const auto names = names_of(taken);
    return names.size() == 3u + taken.seccomp + (taken.landlock_abi != 0) + taken.nobody ? 0 : 3;
  });
  EXPECT_TRUE(ended.exited_with(0)) << to_string(ended);
}

}  // namespace
}  // namespace ferry::test
