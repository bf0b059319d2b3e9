// When the image had its name already and only the folder could not be synced, the new image was
// removed, although it had replaced the old one: neither was left.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "error/error.h"
#include "files/image_output.h"

namespace {
bool folders_fail = false;
}

// In front of the C library's: a disk that takes files, but not their names.
extern "C" int fsync(int fd) {
  static auto* const libc = reinterpret_cast<decltype(fsync)*>(dlsym(RTLD_NEXT, "fsync"));
  struct stat status = {};
  if (!folders_fail || fstat(fd, &status) != 0 || !S_ISDIR(status.st_mode)) return libc(fd);
  errno = EIO;
  return -1;
}

namespace ferry::host {
namespace {

namespace fs = std::filesystem;

struct FoldersFail {
  FoldersFail() { folders_fail = true; }
  ~FoldersFail() { folders_fail = false; }
};

TEST(UnsyncedFolderLosesTheImage, no_more) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("ferry-unsynced-{}", getpid());
  fs::create_directory(folder);
  const std::string path = folder / "guest.ferry";
  std::ofstream(path) << "old";
  {
    ImageOutput output(path);
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    const FoldersFail fail;
    try {
      output.commit();
      ADD_FAILURE() << "nobody noticed";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::io);
      EXPECT_NE(std::string(e.what()).find(path + " is written"), std::string::npos) << e.what();
    }
  }
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "new");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace ferry::host
