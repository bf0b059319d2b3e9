// With no descriptor left for one more client, accepting failed at once, again and again: a thread
// of dom0 was busy with it for as long as the client waited.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <thread>

#include "error/error.h"
#include "host/control_socket.h"

namespace ferry::helper {
namespace {

// No further descriptor can be had while it lives.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int free = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    close(free);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(free);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(ControlSocketSpinsWithoutDescriptors, no_more) {
  const std::string path =
      std::filesystem::temp_directory_path() / fmt::format("ferry-spins-{}", getpid());
  LiveControl control;
  const ControlSocket server(path, control, [] {});
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const NoMoreDescriptors none;
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 20);
  close(client);
}

}  // namespace
}  // namespace ferry::helper
