// What can be set from outside: libxl passes nothing on, so it comes from the environment.
#include "tools/helper/settings.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "error/error.h"
#include "proto/byte_stream.h"

namespace ferry::helper {
namespace {

constexpr int kNice = 10;
constexpr size_t kMostConfig = 4 << 20;

std::optional<int> number(const char* variable, int lowest, int highest) {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  int value = 0;
  const char* end = text + std::strlen(text);
  auto [rest, problem] = std::from_chars(text, end, value);
  if (problem != std::errc() || rest != end || value < lowest || value > highest)
    fail(Errc::usage, "{} is \"{}\", but must be a number from {} to {}", variable, text, lowest,
         highest);
  return value;
}

v1::Config read_config(int fd) {
  FdSource source(fd, "the configuration");
  std::vector<std::byte> bytes(kMostConfig);
  bytes.resize(source.read(bytes));
  close(fd);
  v1::Config config;
  if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    fail(Errc::usage, "the configuration handed to the save helper makes no sense");
  return config;
}

}  // namespace

Settings read_settings() {
  Settings settings;
  settings.threads = std::max(1u, std::thread::hardware_concurrency() / 2);
  if (auto threads = number("FERRY_THREADS", 1, 256))
    settings.threads = static_cast<unsigned>(*threads);
  if (auto level = number("FERRY_LEVEL", 0, 19)) settings.level = *level;
  if (auto fd = number("FERRY_CONFIG_FD", 3, 1 << 20)) settings.config = read_config(*fd);
  return settings;
}

void lower_priority() {
  setpriority(PRIO_PROCESS, 0, kNice);
}

}  // namespace ferry::helper
