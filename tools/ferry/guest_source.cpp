// What a command looks into: the image of a guest, or a guest that runs.
#include "tools/ferry/guest_source.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "error/error.h"
#include "text/printable.h"
#include "tools/ferry/host_command.h"

namespace ferry {
namespace {

// Its standard input and output are the one end of a socket. Throws Error(io).
pid_t spawn(std::vector<std::string> words, int socket) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, socket, STDOUT_FILENO);
  pid_t child = -1;
  const int rc = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) fail_errno(Errc::io, rc, fmt::format("cannot run {}", words[0]));
  return child;
}

// ssh may have a connection to close.
constexpr std::chrono::milliseconds kLenderEnds{3000}, kLookEvery{10};

// False if the process is still there after that.
bool ends_within(pid_t child, std::chrono::milliseconds patience) {
  for (const auto until = std::chrono::steady_clock::now() + patience;;) {
    const pid_t ended = ::waitpid(child, nullptr, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
}

std::vector<std::string> words_for(const SourceName& named) {
  if (named.via.empty()) return {host_program(), "lend", named.name};
  return {"/bin/sh", "-c", named.via + " \"$1\"", "sh", named.name};
}

}  // namespace

bool GuestSource::names_guest(const std::string& name) {
  std::error_code ignored;
  return !name.empty() && name.find('/') == std::string::npos &&
         !std::filesystem::exists(name, ignored);
}

GuestSource::GuestSource(const SourceName& named) {
  if (!names_guest(named.name) ||
      (named.via.empty() && ::access(host_program().c_str(), X_OK) != 0)) {
    files_.emplace(named.name, named.bases);
    return;
  }
  if (!named.bases.empty())
    fail(Errc::usage, "there is no file {}, and a running guest has no --base", named.name);
  start(named);
}

GuestSource::GuestSource(delta::ImageFiles files) : files_(std::move(files)) {
}

void GuestSource::start(const SourceName& named) {
  std::signal(SIGPIPE, SIG_IGN);  // who lends may end at any time, which is said in a sentence
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(Errc::io, errno, "cannot make a socket");
  socket_.reset(ends[0]);
  const Descriptor theirs(ends[1]);
  child_ = spawn(words_for(named), theirs.get());
  lender_ = std::make_shared<borrow::Lender>(ends[0], ends[0], named.name);
}

// It ends with the last of those that could ask: unless it is no lender.
GuestSource::~GuestSource() {
  if (!socket_) return;  // moved from, or an image
  socket_.reset();
  if (ends_within(child_, kLenderEnds)) return;
  ::kill(child_, SIGTERM);
  if (ends_within(child_, kLenderEnds)) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

ImageFile GuestSource::open() const {
  if (!running()) return files_->open();
  try {
    return borrow::open_borrowed(lender_);
  } catch (const Error& error) {
    if (error.code() != Errc::no_domain && error.code() != Errc::no_xen) throw;
    fail(error.code(), "there is no file {}, nor can a guest of that name be read: {}",
         lender_->what(), error.what());
  }
}

std::optional<borrow::Seen> GuestSource::seen() const {
  if (!running()) return std::nullopt;
  return lender_->seen();
}

void add_via(Command command, std::string& via) {
  command
      .add_option("--via", via,
                  "Of a running guest: a command that lends guests, such as \"ssh host2 ferry "
                  "lend\"")
      .type_name("COMMAND");
}

std::string in_words(const std::string& name, const borrow::Seen& seen) {
  std::string text;
  if (!seen.one_moment)
    text += fmt::format("{} ran on meanwhile: this is not of one moment (xl pause stops it)\n",
                        printable(name));
  if (seen.lost_pages != 0)
    text += fmt::format("{} pages were given back meanwhile, and are shown as zeros\n",
                        seen.lost_pages);
  if (seen.lost_entries != 0)
    text += fmt::format(
        "{} entries of page tables named no frame of the guest's when they were read, and are "
        "shown as empty\n",
        seen.lost_entries);
  return text;
}

}  // namespace ferry
