// When the image had its name already and only the folder could not be synced, the new image was
// removed, although it had replaced the old one: neither was left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "error/error.h"
#include "files/image_output.h"

namespace ferry::host {
namespace {

namespace fs = std::filesystem;

// No further descriptor can be opened, so neither can the folder.
struct NoDescriptors {
  NoDescriptors() {
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) all.push_back(fd);
  }
  ~NoDescriptors() {
    for (const int fd : all) close(fd);
  }
  std::vector<int> all;
};

TEST(UnsyncedFolderLosesTheImage, no_more) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("ferry-unsynced-{}", getpid());
  fs::create_directory(folder);
  const std::string path = folder / "guest.ferry";
  std::ofstream(path) << "old";
  {
    ImageOutput output(path);
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    const NoDescriptors none;
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
