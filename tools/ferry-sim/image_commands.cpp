// Commands on images need no host: they are the program ferry.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "error/error.h"
#include "tools/ferry-sim/commands.h"

namespace ferry::sim {
namespace {

std::string ferry_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ferry";
}

}  // namespace

bool is_image_command(std::string_view name) {
  return name == "audit" || name == "inspect";
}

void add_image_commands(Command app) {
  app.add_command("audit", "Judge an image: the command of ferry").group("Image commands");
  app.add_command("inspect", "Show what is in an image: the command of ferry")
      .group("Image commands");
}

int run_ferry(const std::vector<std::string>& arguments) {
  std::string path = ferry_path();
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv{path.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  if (const int rc = posix_spawn(&child, path.c_str(), nullptr, nullptr, argv.data(), environ))
    fail_errno(Errc::io, rc, fmt::format("cannot run {}", path));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(Exit::failed);
}

void exec_ferry(std::vector<std::string> words) {
  const std::string path = ferry_path();
  words.insert(words.begin(), path);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  fail_errno(Errc::io, errno, fmt::format("cannot run {}", path));
}

}  // namespace ferry::sim
