// The processes by which xl restarts or removes a guest once it reboots or shuts down.
#include "host/xl_watchers.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

#include "error/error.h"
#include "files/process_start.h"
#include "host/detached.h"
#include "io/descriptor.h"

namespace ferry::host {
namespace {

constexpr int kLookAgainMs = 100;
constexpr off_t kEndOfLog = 64 << 10;  // what it waits for stands near the end

std::string proc(pid_t pid, const char* file) {
  return fmt::format("/proc/{}/{}", pid, file);
}

bool is_xl(pid_t pid) {
  struct stat status = {};
  std::string name;
  std::getline(std::ifstream(proc(pid, "comm")), name);
  return name == "xl" && stat(proc(pid, "").c_str(), &status) == 0 && status.st_uid == geteuid();
}

// The end of what its standard output goes to, if that is a file.
std::string end_of_log(pid_t pid) {
  const Descriptor log(
      open(proc(pid, "fd/1").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status = {};
  if (!log || fstat(log.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text(static_cast<size_t>(std::min(status.st_size, kEndOfLog)), '\0');
  const ssize_t n =
      pread(log.get(), text.data(), text.size(), status.st_size - static_cast<off_t>(text.size()));
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// "Waiting for domain NAME (domid 7) to die [pid 812]", the last one: after a reboot the number is
// another one. Only xl's administrator chooses a name.
bool waits_for(pid_t pid, domid_t domid) {
  const std::string log = end_of_log(pid);
  const std::string end = fmt::format(") to die [pid {}]", pid);
  const size_t at = log.rfind(end);
  return at != std::string::npos &&
         std::string_view(log).substr(0, at).ends_with(fmt::format("(domid {}", raw(domid)));
}

// The processes of this host.
std::vector<pid_t> processes() {
  std::vector<pid_t> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  while (const dirent* entry = folder ? readdir(folder.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem == std::errc() && rest == name.data() + name.size()) all.push_back(pid);
  }
  return all;
}

void signal_all(const std::vector<XlWatcher>& watchers, int number) {
  for (const XlWatcher& watcher : watchers)
    if (watcher.start != 0 && process_start(watcher.pid) == watcher.start)
      kill(watcher.pid, number);
}

// Never closed: whoever has the other end sees when this process is gone.
bool start_releaser(const DomainInfo& domain, const std::vector<XlWatcher>& watchers,
                    const std::string& helper) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const Descriptor starter(ends[0]);
  Descriptor ours(ends[1]);
  std::vector<std::string> words = {"ferry-save-helper", "--release-watchers",
                                    std::to_string(raw(domain.domid)), uuid_text(domain.uuid),
                                    std::to_string(starter.get())};
  for (std::string& word : words_of(watchers)) words.push_back(std::move(word));
  if (!start_detached(helper, std::move(words), {starter.get()})) return false;
  ours.release();
  return true;
}

}  // namespace

std::vector<XlWatcher> xl_watchers_of(domid_t domid) {
  std::vector<XlWatcher> found;
  for (const pid_t pid : processes())
    if (is_xl(pid) && waits_for(pid, domid)) found.push_back({pid, process_start(pid)});
  return found;
}

void hold_xl_watchers(const DomainInfo& domain, const std::string& helper) noexcept {
  try {
    const std::vector<XlWatcher> watchers = xl_watchers_of(domain.domid);
    if (watchers.empty()) return;
    if (start_releaser(domain, watchers, helper)) signal_all(watchers, SIGSTOP);
  } catch (const std::exception&) {
    // Then xl's process ends, as it does without us.
  }
}

void wait_until_let_go(int starter, const std::function<Standing()>& look,
                       const volatile int& stop) {
  pollfd its_end = {starter, POLLIN, 0};
  for (bool was_suspended = false; !stop;) {
    const Standing now = look();
    if (now == Standing::gone) return;
    if (now == Standing::runs && (was_suspended || its_end.fd < 0)) return;
    was_suspended = was_suspended || now == Standing::suspended;
    if (poll(&its_end, 1, kLookAgainMs) > 0) its_end.fd = -1;
  }
}

void let_xl_watchers_go_on(const std::vector<XlWatcher>& watchers) {
  signal_all(watchers, SIGCONT);
}

std::vector<std::string> words_of(const std::vector<XlWatcher>& watchers) {
  std::vector<std::string> words;
  for (const XlWatcher& watcher : watchers)
    words.push_back(fmt::format("{}:{}", watcher.pid, watcher.start));
  return words;
}

XlWatcher watcher_in(const std::string& word) {
  XlWatcher watcher;
  const char* end = word.data() + word.size();
  const auto [colon, no_pid] = std::from_chars(word.data(), end, watcher.pid);
  if (no_pid == std::errc() && colon != end && *colon == ':') {
    const auto [rest, no_start] = std::from_chars(colon + 1, end, watcher.start);
    if (no_start == std::errc() && rest == end && watcher.pid > 1) return watcher;
  }
  fail(Errc::usage, "\"{}\" names no process", word);
}

}  // namespace ferry::host
