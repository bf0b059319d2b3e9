// A save that surely has no room is refused while the guest runs; one that may have it is not.
#include "host/room.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>

#include "error/error.h"
#include "io/descriptor.h"

namespace {
std::atomic<long> pretended_free{-1};  // blocks; none is what there is
}

// In front of the C library's: a disk as full as the test wants it.
extern "C" int fstatvfs(int fd, struct statvfs* there) noexcept {
  static auto* const libc = reinterpret_cast<decltype(fstatvfs)*>(dlsym(RTLD_NEXT, "fstatvfs"));
  const int result = libc(fd, there);
  if (pretended_free >= 0) there->f_bfree = static_cast<fsblkcnt_t>(pretended_free.load());
  return result;
}

namespace ferry::host {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class Room : public ::testing::Test {
 protected:
  void TearDown() override { pretended_free = -1; }
  // MiB that the file system has left.
  void leave(uint64_t mib) {
    struct statvfs there = {};
    ASSERT_EQ(fstatvfs(file_.get(), &there), 0);
    pretended_free = static_cast<long>(mib * kMiB / there.f_frsize);
  }
  std::string refusal(int fd, uint64_t least_bytes) {
    try {
      check_room_for_image(fd, least_bytes);
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::io);
      return e.what();
    }
  }

  Descriptor file_{open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
};

TEST_F(Room, is_what_the_file_system_of_the_image_has_left) {
  ASSERT_TRUE(file_);
  leave(100);
  EXPECT_EQ(free_space_behind(file_.get()), 100 * kMiB);
  EXPECT_EQ(refusal(file_.get(), 100 * kMiB), "");
  const std::string said = refusal(file_.get(), 101 * kMiB);
  EXPECT_NE(said.find("at least 101 MiB and there is room for 100 MiB"), std::string::npos) << said;
  EXPECT_NE(said.find("No space left"), std::string::npos) << said;
}

TEST_F(Room, is_nobodys_business_behind_a_pipe) {
  leave(0);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor in(ends[0]), out(ends[1]);
  EXPECT_EQ(free_space_behind(out.get()), std::nullopt);
  EXPECT_EQ(refusal(out.get(), ~uint64_t{0}), "");
}

bool has_memory(const MemoryForSave& save, std::string_view meminfo) {
  try {
    check_memory_for_save(save, meminfo);
    return true;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::no_memory);
    return false;
  }
}

constexpr uint64_t kPages = 1 << 20;

TEST(MemoryForSave, grows_with_threads_and_with_what_is_known_of_pages) {
  constexpr std::string_view kHas80 =
      "MemTotal:        2097152 kB\nMemFree:           10000 kB\nMemAvailable:      81920 kB\n";
  EXPECT_TRUE(has_memory({.guest_pages = kPages, .threads = 4}, kHas80));
  EXPECT_TRUE(has_memory({.guest_pages = kPages, .threads = 4, .live = true}, kHas80));
  EXPECT_FALSE(has_memory({.guest_pages = kPages, .threads = 32}, kHas80));
  EXPECT_FALSE(has_memory({.guest_pages = 3 * kPages, .threads = 4, .live = true}, kHas80));
  EXPECT_TRUE(has_memory({.guest_pages = 3 * kPages, .threads = 4}, kHas80));
}

TEST(MemoryForSave, regression_counts_the_hashes_of_a_base_and_those_that_are_written) {
  constexpr std::string_view kHas50 = "MemAvailable:      51200 kB\n";
  MemoryForSave save = {.guest_pages = kPages, .threads = 2};  // 27 MiB
  EXPECT_TRUE(has_memory(save, kHas50));
  save.has_base = true;  // 43 MiB
  EXPECT_TRUE(has_memory(save, kHas50));
  save.page_hashes = true;  // 59 MiB
  EXPECT_FALSE(has_memory(save, kHas50));
  save.has_base = false;
  EXPECT_TRUE(has_memory(save, kHas50));
}

TEST(MemoryForSave, is_taken_for_enough_where_the_kernel_does_not_tell) {
  const MemoryForSave save = {.guest_pages = kPages, .threads = 256, .live = true};
  for (const std::string_view odd : {"", "MemAvailable:", "MemAvailable: many kB", "MemFree: 1 kB"})
    EXPECT_TRUE(has_memory(save, odd)) << odd;
}

}  // namespace
}  // namespace ferry::host
