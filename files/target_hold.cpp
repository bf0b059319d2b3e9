// One save at a time writes to what a guest is saved to.
#include "files/target_hold.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <thread>

#include "error/error.h"
#include "files/run_directory.h"

namespace ferry {
namespace {

// Whatever path leads to the folder. Of two names with one hash the second save has to wait.
std::string lock_path(int folder, const std::string& name) {
  struct stat status = {};
  if (fstat(folder, &status) != 0) fail_errno(Errc::io, errno, "cannot look at the folder");
  return fmt::format("{}/target-{:x}-{:x}-{:x}.lock", run_directory(), status.st_dev, status.st_ino,
                     std::hash<std::string>()(name));
}

// Whoever looks for what is left has it for a moment.
std::optional<FileLock> take_soon(const std::string& path) {
  constexpr unsigned kTries = 20;
  constexpr std::chrono::milliseconds kNowAndThen{10};
  for (unsigned n = 0; n < kTries; ++n) {
    if (auto lock = FileLock::try_take(path)) return lock;
    std::this_thread::sleep_for(kNowAndThen);
  }
  return std::nullopt;
}

std::optional<struct stat> look(int folder, const std::string& name) {
  struct stat status = {};
  if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno != ENOENT) fail_errno(Errc::io, errno, fmt::format("cannot look at {}", name));
  return std::nullopt;
}

bool not_written_to(const struct stat& was, const struct stat& now) {
  return was.st_dev == now.st_dev && was.st_ino == now.st_ino && was.st_size == now.st_size &&
         was.st_mtim.tv_sec == now.st_mtim.tv_sec && was.st_mtim.tv_nsec == now.st_mtim.tv_nsec;
}

}  // namespace

bool hold_opened(int fd) {
  constexpr std::chrono::seconds kWithin{1};
  constexpr std::chrono::milliseconds kNowAndThen{20};
  const auto until = std::chrono::steady_clock::now() + kWithin;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kNowAndThen);
  }
  return true;
}

void remove_left_holds() noexcept {
  try {
    for (const auto& entry : std::filesystem::directory_iterator(run_directory())) {
      const std::string name = entry.path().filename();
      if (name.starts_with("target-") && name.ends_with(".lock")) FileLock::try_take(entry.path());
    }
  } catch (const std::exception&) {
    // They are in nobody's way.
  }
}

HeldName::HeldName(int folder, const std::string& name, const std::string& given)
    : folder_(folder), name_(name), given_(given) {
  if (auto lock = take_soon(lock_path(folder, name))) lock_.emplace(std::move(*lock));
  before_.reset(openat(folder, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  // One that cannot be read is known by its number, size and time alone.
  if (!before_ && errno != ENOENT && errno != EACCES)
    fail_errno(Errc::io, errno, fmt::format("cannot save to {}", given));
  if (!lock_ || (before_ && !hold_opened(before_.get())))
    fail(Errc::busy, "cannot save to {}: another save writes to it, or builds upon it", given);
  was_ = look(folder, name);
}

void HeldName::fail_taken() const {
  fail(Errc::io,
       "{} is not what it was when the save began: another save, or somebody else, has written it "
       "meanwhile",
       given_);
}

bool HeldName::is_as_before() const {
  const auto now = look(folder_, name_);
  if (now && (!was_ || !not_written_to(*was_, *now))) fail_taken();
  return now.has_value();
}

void HeldName::give_to(const std::string& temporary) const {
  const auto failed = [this] {
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the name {}", given_));
  };
  if (!is_as_before()) {
    if (renameat2(folder_, temporary.c_str(), folder_, name_.c_str(), RENAME_NOREPLACE) == 0)
      return;
    if (errno == EEXIST) fail_taken();
    if (errno != EINVAL) failed();  // else the file system knows no such way
  }
  if (renameat(folder_, temporary.c_str(), folder_, name_.c_str()) != 0) failed();
}

}  // namespace ferry
