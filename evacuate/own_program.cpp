// This program once more.
#include "evacuate/own_program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "error/error.h"
#include "error/run_main.h"

extern char** environ;

namespace ferry::evacuate {
namespace {

// A program says a line or two; more than this is not kept.
constexpr size_t kMostKept = 64 << 10;
constexpr int kComplaints = 3;

Descriptor memory(const char* name) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC));
  if (!file) fail_errno(Errc::io, errno, "no memory for what a child prints");
  fcntl(file.get(), F_SETFL, O_APPEND);
  return file;
}

std::string text_of(const Descriptor& file) {
  std::string text(kMostKept, '\0');
  const ssize_t n = pread(file.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// In a group of its own, with signals as a shell would start it.
class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t set;
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes_, &set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) sigaddset(&set, number);
    posix_spawnattr_setsigdefault(&attributes_, &set);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

class Files {
 public:
  Files(const Descriptor& out, const Descriptor& complaints) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, out.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, complaints.get(), kComplaints);
  }
  ~Files() { posix_spawn_file_actions_destroy(&actions_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Ours, and the new ones, which go before.
std::vector<std::string> environment_with(const std::vector<std::string>& more) {
  std::vector<std::string> all = more;
  for (char** one = environ; *one; ++one) {
    const std::string_view name =
        std::string_view(*one).substr(0, std::string_view(*one).find('='));
    const bool replaced = std::any_of(more.begin(), more.end(), [&](const std::string& text) {
      return text.starts_with(name) && text[name.size()] == '=';
    });
    if (!replaced) all.emplace_back(*one);
  }
  return all;
}

}  // namespace

OwnProgram::OwnProgram(const std::vector<std::string>& before,
                       const std::vector<std::string>& command,
                       const std::vector<std::string>& environment)
    : out_(memory("ferry-out")), complaints_(memory("ferry-complaints")) {
  std::error_code error;
  std::vector<std::string> arguments = {
      std::filesystem::read_symlink("/proc/self/exe", error).string()};
  if (error) fail_errno(Errc::io, error.value(), "cannot find out which program this is");
  arguments.insert(arguments.end(), before.begin(), before.end());
  arguments.insert(arguments.end(), command.begin(), command.end());
  std::vector<std::string> more = environment;
  more.push_back(fmt::format("{}={}", kComplaintsVariable, kComplaints));
  std::vector<std::string> variables = environment_with(more);
  const Attributes attributes;
  const Files files(out_, complaints_);
  // Not by its name: that may be a newer program by now.
  const int problem = posix_spawn(&pid_, "/proc/self/exe", files.get(), attributes.get(),
                                  pointers(arguments).data(), pointers(variables).data());
  if (problem != 0) fail_errno(Errc::io, problem, fmt::format("cannot start {}", arguments[0]));
}

const std::optional<OwnProgram::End>& OwnProgram::ended() {
  int status = 0;
  if (end_ || waitpid(pid_, &status, WNOHANG) != pid_) return end_;
  end_.emplace(End{status, text_of(out_), text_of(complaints_)});
  return end_;
}

}  // namespace ferry::evacuate
