// What is written past the page cache is the same file as any other, and not in the cache.
#include "io/uncached_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "error/error.h"
#include "io/descriptor.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

Bytes noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (size_t at = 0; at < size; at += 512) bytes[at] = static_cast<std::byte>(random());
  return bytes;
}

class UncachedSinkTest : public ::testing::Test {
 protected:
  UncachedSinkTest()
      : fd_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), inner_(fd_.get(), "it") {}

  void append(std::span<const std::byte> bytes) const {
    ASSERT_EQ(::write(fd_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  Bytes content() const {
    Bytes all(std::filesystem::file_size(path_));
    std::ifstream(path_, std::ios::binary)
        .read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size()));
    return all;
  }
  bool is_direct() const { return (fcntl(fd_.get(), F_GETFL) & O_DIRECT) != 0; }
  // Linux from 6.6 on takes O_DIRECT for memory too, where the file is the cache.
  bool has_direct() const {
    struct statfs where = {};
    if (fstatfs(fd_.get(), &where) != 0 || where.f_type == TMPFS_MAGIC) return false;
    const bool can = fcntl(fd_.get(), F_SETFL, O_DIRECT) == 0;
    fcntl(fd_.get(), F_SETFL, 0);
    return can;
  }
  size_t cached_pages() const {
    const size_t size = static_cast<size_t>(lseek(fd_.get(), 0, SEEK_END)), pages = size / 4096 + 1;
    void* const at = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0);
    EXPECT_NE(at, MAP_FAILED);
    std::vector<unsigned char> in(pages);
    EXPECT_EQ(mincore(at, size, in.data()), 0);
    munmap(at, size);
    return static_cast<size_t>(std::count_if(in.begin(), in.end(), [](auto c) { return c & 1; }));
  }

  TestFolder folder_;
  const std::string path_ = folder_.path("image");
  Descriptor fd_;
  FdSink inner_;
};

// As xl does: a header before, a record behind, by somebody who knows nothing of it.
TEST_F(UncachedSinkTest, leaves_the_file_as_any_other_sink_would) {
  std::mt19937_64 random(1);
  for (const size_t before : {0u, 17u, 4095u, 4096u, 5000u}) {
    for (const size_t size : {0u, 1u, 4095u, 4096u, 100'000u, (4u << 20) + 77}) {
      SCOPED_TRACE(testing::Message() << before << " " << size);
      ASSERT_EQ(ftruncate(fd_.get(), 0), 0);
      ASSERT_EQ(lseek(fd_.get(), 0, SEEK_SET), 0);
      Bytes expected = noise(before, 2);
      append(expected);
      const Bytes image = noise(size, size);
      UncachedSink sink(inner_, fd_.get());
      for (std::span<const std::byte> rest = image; !rest.empty();) {
        const size_t piece = std::min(rest.size(), 1 + random() % (size / 3 + 1));
        sink.write(rest.first(piece));
        rest = rest.subspan(piece);
      }
      sink.finish();
      EXPECT_FALSE(is_direct());
      const Bytes behind = noise(33, 3);
      append(behind);
      expected.insert(expected.end(), image.begin(), image.end());
      expected.insert(expected.end(), behind.begin(), behind.end());
      ASSERT_TRUE(content() == expected);
    }
  }
}

TEST_F(UncachedSinkTest, leaves_no_page_of_it_in_the_cache) {
  if (!has_direct()) GTEST_SKIP() << "the file system of this folder is memory";
  const Bytes image = noise((9 << 20) + 5, 1);
  append(image);
  ASSERT_EQ(fsync(fd_.get()), 0);
  ASSERT_GT(cached_pages(), 2000u) << "mincore() tells nothing";
  ASSERT_EQ(lseek(fd_.get(), 17, SEEK_SET), 17);
  UncachedSink sink(inner_, fd_.get());
  sink.write(image);
  sink.finish();
  ASSERT_EQ(fsync(fd_.get()), 0);
  sink.drop();
  EXPECT_EQ(cached_pages(), 0u);
}

TEST_F(UncachedSinkTest, says_what_failed_and_leaves_the_descriptor_as_it_was) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {(3 << 20) + 1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Bytes image = noise(8 << 20, 1);
  try {
    UncachedSink sink(inner_, fd_.get());
    sink.write(image);
    sink.finish();
    ADD_FAILURE() << "no exception";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::io);
    EXPECT_EQ(e.os_errno(), EFBIG);
    EXPECT_NE(std::string(e.what()).find("cannot write to it"), std::string::npos) << e.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(is_direct());
  const Bytes there = content();
  EXPECT_LE(there.size(), small.rlim_cur);
  EXPECT_TRUE(std::equal(there.begin(), there.end(), image.begin()));
}

}  // namespace
}  // namespace ferry
