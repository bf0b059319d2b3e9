// Where a saved image goes.
#include "files/image_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "error/error.h"
#include "io/block_device.h"

namespace ferry {
namespace {

constexpr unsigned kMostNames = 1000;

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

// The first bytes of a text, no letter cut in two.
std::string beginning(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// As Linux's back end shows it, which does not open the device for itself alone.
bool is_disk_of_a_guest(dev_t device) {
  const std::string number = fmt::format("{:x}:{:x}", major(device), minor(device));
  std::error_code none;
  for (const auto& backend :
       std::filesystem::directory_iterator("/sys/bus/xen-backend/devices", none)) {
    std::string its_number;
    std::ifstream(backend.path() / "physical_device") >> its_number;
    if (its_number == number) return true;
  }
  return false;
}

[[noreturn]] void fail_in_use(const std::string& given) {
  fail(Errc::busy, "cannot save to {}: another save writes to it", given);
}

// Such as /dev/null, or what stands in for a descriptor that was closed (error/run_main.h).
void refuse_output_that_keeps_nothing() {
  struct stat status = {};
  if (fstat(STDOUT_FILENO, &status) != 0)
    fail_errno(Errc::io, errno, "cannot write to standard output");
  if (S_ISCHR(status.st_mode))
    fail(
        Errc::io,
        "cannot save to standard output: it is closed, or a character device, which keeps nothing");
}

}  // namespace

ImageOutput::ImageOutput(const std::string& path, Takes takes)
    : target_(find_save_target(path)), given_(path) {
  const bool special = target_.kind == TargetKind::device || target_.kind == TargetKind::fifo;
  if (takes == Takes::files) {
    if (special) fail(Errc::io, "{} exists and is no regular file", path);
    target_.was.reset();
  }
  switch (target_.kind) {
    case TargetKind::standard_output:
      if (isatty(STDOUT_FILENO) == 1)
        fail(Errc::usage, "what is written is nothing for a terminal: redirect standard output");
      if (takes == Takes::any) refuse_output_that_keeps_nothing();
      // The engine's standard output is its conversation with us, so the image needs a number
      // beyond.
      fd_.reset(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
      if (!fd_) fail_errno(Errc::io, errno, "cannot write to standard output");
      break;
    case TargetKind::fifo:
      open_stream();
      break;
    case TargetKind::device:
      open_device();
      break;
    case TargetKind::file:
      open_file(takes);
  }
}

ImageOutput::~ImageOutput() {
  if (!temporary_.empty()) unlinkat(folder_.get(), temporary_.c_str(), 0);
}

void ImageOutput::open_stream() {
  struct stat opened = {};
  fd_.reset(open(target_.path.c_str(), O_WRONLY | O_CLOEXEC));  // until somebody reads it
  if (!fd_ || fstat(fd_.get(), &opened) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot save to {}", given_));
  if (!S_ISFIFO(opened.st_mode)) fail(Errc::io, "{} is no FIFO any more", given_);
  if (!hold_opened(fd_.get())) fail_in_use(given_);
}

// Alone: not what is mounted, swapped to, or a guest's disk.
void ImageOutput::open_device() {
  fd_.reset(open(target_.path.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  struct stat opened = {};
  if (fd_ ? fstat(fd_.get(), &opened) == 0 && is_disk_of_a_guest(opened.st_rdev) : errno == EBUSY)
    fail(Errc::io,
         "cannot save to {}: the device is in use (mounted, swapped to, part of another one, a "
         "guest's disk, or another save writes to it)",
         given_);
  if (!fd_) fail_errno(Errc::io, errno, fmt::format("cannot save to {}", given_));
  if (!device_bytes(fd_.get())) fail(Errc::io, "{} is no block device any more", given_);
  if (is_read_only(fd_.get())) fail(Errc::io, "cannot save to {}: the device is read-only", given_);
  if (!hold_opened(fd_.get())) fail_in_use(given_);
}

void ImageOutput::open_file(Takes takes) {
  const std::string folder = folder_of(target_.path);
  name_ = std::filesystem::path(target_.path).filename();
  folder_.reset(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_) fail_errno(Errc::io, errno, fmt::format("cannot write in {}", folder));
  if (takes == Takes::any) held_.emplace(folder_.get(), name_, given_);
  fd_.reset(openat(folder_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd_ && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) make_temporary();
  if (!fd_) fail_errno(Errc::io, errno, fmt::format("cannot write in {}", folder));
  // Nothing builds upon it before its guest is gone: until then it may be withdrawn.
  if (takes == Takes::any && !hold_opened(fd_.get())) fail_in_use(given_);
  if (target_.was && fchown(fd_.get(), target_.was->owner, target_.was->group) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the owner that {} has", given_));
}

// Beside the name. Whatever its length, there is one: what a killed save has left may have our
// process number.
template <typename Make>
std::string ImageOutput::with_free_name(Make make) const {
  const long longest = fpathconf(folder_.get(), _PC_NAME_MAX);
  for (unsigned n = 0;; ++n) {
    const std::string end =
        n == 0 ? fmt::format(".{}", getpid()) : fmt::format(".{}-{}", getpid(), n);
    const size_t most = static_cast<size_t>(longest > 0 ? longest : NAME_MAX) - end.size();
    std::string name = beginning(name_, most) + end;
    if (make(name.c_str())) return name;
    if (errno != EEXIST || n == kMostNames)
      fail_errno(Errc::io, errno,
                 fmt::format("cannot make {} in {}", name, folder_of(target_.path)));
  }
}

void ImageOutput::make_temporary() {
  temporary_ = with_free_name([this](const char* name) {
    constexpr int kNew = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    fd_.reset(openat(folder_.get(), name, kNew, 0600));
    return static_cast<bool>(fd_);
  });
}

// Whoever looks for the image under its path has to find it.
void ImageOutput::check_folder() const {
  struct stat ours = {}, named = {};
  const std::string folder = folder_of(target_.path);
  if (fstat(folder_.get(), &ours) != 0 || stat(folder.c_str(), &named) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot write in {}", folder));
  if (!same_file(ours, named))
    fail(Errc::io, "{} is another folder by now than when the save began", folder);
}

// As they are now: somebody may have been told that others can read the file, and done something.
void ImageOutput::take_owner_and_mode() const {
  struct stat now = {};
  SaveTarget::Was was = *target_.was;
  if (fstatat(folder_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(now.st_mode))
    was = {now.st_uid, now.st_gid, now.st_mode & 0777};
  if (fchown(fd_.get(), was.owner, was.group) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the owner that {} has", given_));
  if (fchmod(fd_.get(), was.mode) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the mode that {} has", given_));
}

// A file without a name cannot take one that exists: it takes a new one, and then the old.
void ImageOutput::take_name() {
  check_folder();
  const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
  if (temporary_.empty())
    temporary_ = with_free_name([&](const char* name) {
      return linkat(AT_FDCWD, self.c_str(), folder_.get(), name, AT_SYMLINK_FOLLOW) == 0;
    });
  if (held_)
    held_->give_to(temporary_);
  else if (renameat(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str()) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot give the image the name {}", target_.path));
  temporary_.clear();
}

void ImageOutput::commit(const std::function<void(const NamedFile&)>& about_to_count) {
  if (!durable()) return;
  if (target_.was) take_owner_and_mode();
  if (fsync(fd_.get()) != 0) fail_errno(Errc::io, errno, fmt::format("cannot sync {}", given_));
  const NamedFile image = named_file(fd_.get(), target_.path);
  if (about_to_count) about_to_count(image);
  if (target_.kind == TargetKind::device) {
    committed_ = true;  // the head may be there although it could not be synced
    turn_head(fd_.get(), 0);
  } else {
    take_name();
    named_ = image;
    if (fsync(folder_.get()) != 0)
      fail_errno(
          Errc::io, errno,
          fmt::format("{} is written, but may have lost its name after a power failure", given_));
  }
  committed_ = true;
}

void ImageOutput::check_there() const {
  if (!named_) return;
  const NamedFile now = named_file(fd_.get(), target_.path);
  if (!has_its_path(*named_) || now.bytes != named_->bytes || now.changed_ns != named_->changed_ns)
    fail(Errc::io, "{} is not there any more as it was written: somebody has removed or changed it",
         given_);
}

void ImageOutput::withdraw() noexcept {
  if (!committed_) return;
  committed_ = false;
  if (target_.kind == TargetKind::device) {
    try {
      spoil_head(fd_.get(), 0);
    } catch (const Error&) {
      // A device that fails now: whoever reads it will see.
    }
    return;
  }
  // Only what is ours: by now somebody may have put another file there.
  struct stat ours = {}, named = {};
  if (fstat(fd_.get(), &ours) != 0 ||
      fstatat(folder_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      !same_file(ours, named))
    return;
  unlinkat(folder_.get(), name_.c_str(), 0);
}

}  // namespace ferry
