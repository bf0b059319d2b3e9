// Xen's own save helper, for everything that ferry leaves to it.
#include "host/stock_helper.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "error/error.h"
#include "settings/places.h"
#include "xen/release.h"

namespace ferry::helper {
namespace {

bool is_ourselves(const struct stat& other) {
  struct stat self = {};
  return stat("/proc/self/exe", &self) == 0 && self.st_dev == other.st_dev &&
         self.st_ino == other.st_ino;
}

[[noreturn]] void become(const std::string& path, char** argv) {
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

}  // namespace

void exec_stock_helper(char** argv) {
  become(find_place<"stock_helper">().value_or(FERRY_STOCK_HELPER_PATH), argv);
}

std::optional<std::string> other_xen(const std::string& version) {
  std::string major, minor;
  std::ifstream(version + "/major") >> major;
  std::ifstream(version + "/minor") >> minor;
  const std::string release = major + "." + minor;
  if (major.empty() || minor.empty() || release == xen_release()) return std::nullopt;
  return release;
}

void exec_stock_helper_of(const std::string& release, char** argv) {
  const std::string own = fmt::format("/usr/lib/xen-{}/bin/libxl-save-helper", release);
  become(find_place<"stock_helper">().value_or(own), argv);
}

}  // namespace ferry::helper
