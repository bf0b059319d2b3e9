// What can be set from outside: libxl passes nothing on, so it comes from the environment.
#include "tools/ferry-save-helper/settings.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "error/error.h"
#include "io/byte_stream.h"

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

// The value's place in the list of names.
std::optional<size_t> choice(const char* variable, std::initializer_list<std::string_view> names) {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  size_t place = 0;
  std::string all;
  for (const std::string_view name : names) {
    if (name == text) return place;
    all += (place++ ? ", " : "") + std::string(name);
  }
  fail(Errc::usage, "{} is \"{}\", but must be one of {}", variable, text, all);
}

void read_live_settings(Settings& settings) {
  constexpr Track kTracks[] = {Track::automatic, Track::logdirty, Track::content};
  constexpr OnStall kOnStall[] = {OnStall::stop, OnStall::keep_going, OnStall::cancel};
  PolicyOptions& policy = settings.policy;
  if (auto n = choice("FERRY_TRACK", {"auto", "logdirty", "content"})) settings.track = kTracks[*n];
  if (auto n = choice("FERRY_ON_STALL", {"stop", "continue", "cancel"}))
    policy.on_stall = kOnStall[*n];
  if (auto ms = number("FERRY_MAX_DOWNTIME", 1, 3'600'000))
    policy.max_downtime_us = static_cast<uint64_t>(*ms) * 1000;
  if (auto rounds = number("FERRY_MAX_ROUNDS", 1, 10'000))
    policy.max_rounds = static_cast<uint32_t>(*rounds);
  if (auto seconds = number("FERRY_DEADLINE", 0, 1'000'000))
    policy.deadline_us = static_cast<uint64_t>(*seconds) * 1'000'000;
  if (auto mib = number("FERRY_BANDWIDTH", 0, 1 << 24))
    settings.bandwidth = static_cast<uint64_t>(*mib) << 20;
  if (const char* path = std::getenv("FERRY_CONTROL")) settings.control = path;
  if (auto fd = number("FERRY_EVENTS_FD", 1, 1 << 20)) settings.events = *fd;
}

}  // namespace

Settings read_settings() {
  Settings settings;
  settings.threads = std::max(1u, std::thread::hardware_concurrency() / 2);
  if (auto threads = number("FERRY_THREADS", 1, 256))
    settings.threads = static_cast<unsigned>(*threads);
  if (auto level = number("FERRY_LEVEL", 0, 19)) settings.level = *level;
  if (auto fd = number("FERRY_CONFIG_FD", 3, 1 << 20)) settings.config = read_config(*fd);
  if (auto n = choice("FERRY_STREAM", {"ferry", "libxc"})) settings.libxc_stream = *n == 1;
  if (settings.libxc_stream) settings.level = 0;  // nobody would decompress it
  read_live_settings(settings);
  return settings;
}

void lower_priority() {
  setpriority(PRIO_PROCESS, 0, kNice);
}

// Of this thread and of those it starts from now on.
void restore_priority() {
  setpriority(PRIO_PROCESS, 0, 0);
}

}  // namespace ferry::helper
