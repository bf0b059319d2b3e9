// Xen's own save helper, for everything that ferry leaves to it.
#include "host/stock_helper.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "settings/places.h"

namespace ferry::helper {
namespace {

bool is_ourselves(const struct stat& other) {
  struct stat self = {};
  return stat("/proc/self/exe", &self) == 0 && self.st_dev == other.st_dev &&
         self.st_ino == other.st_ino;
}

}  // namespace

void exec_stock_helper(char** argv) {
  const std::string path = find_place<"stock_helper">().value_or(FERRY_STOCK_HELPER_PATH);
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0)
    fail(Errc::unsupported, "this needs Xen's own save helper, but {} is not there: {}", path,
         std::strerror(errno));
  if (is_ourselves(status))
    fail(Errc::unsupported,
         "this needs Xen's own save helper, but {} is ferry itself; set FERRY_STOCK_HELPER", path);
  signal(SIGPIPE, SIG_DFL);  // as libxl had set it
  argv[0] = const_cast<char*>(path.c_str());
  execv(path.c_str(), argv);
  fail_errno(Errc::unsupported, errno, fmt::format("cannot run Xen's own save helper {}", path));
}

}  // namespace ferry::helper
