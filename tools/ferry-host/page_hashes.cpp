// What an image says of its pages, as a file.
#include "tools/ferry-host/page_hashes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "error/error.h"
#include "files/durable.h"
#include "files/save_target.h"
#include "proto/pages.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry::host {
namespace {

constexpr uint64_t kBytesPerPfn = 16;
constexpr uint64_t kShareOfMemory = 8;  // of this machine's, at most

void refuse_other_contents(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  std::array<std::byte, BasePages::kFirstBytes> first{};
  const ssize_t n = file ? read(file.get(), first.data(), first.size()) : 0;
  if (n > 0 && !BasePages::begins_so(std::span(first).first(static_cast<size_t>(n))))
    fail(Errc::usage, "{} is there and holds no page hashes: name another file for them", path);
}

}  // namespace

uint64_t most_pfns_of_a_base() {
  const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(kMaxPfns, pages * page / kShareOfMemory / kBytesPerPfn);
}

PageHashes::PageHashes(const std::string& path)
    : path_(path), file_(path), pages_(BasePages::make(most_pfns_of_a_base())) {
  if (!file_.durable())
    fail(Errc::usage, "page hashes need a file of their own, which {} is not", path);
  refuse_other_contents(path);
  at_ = find_save_target(path).path;
}

void PageHashes::write() {
  FdSink sink(file_.fd(), path_);
  BasePages::adopt(pages_.fd()).write_to(sink);
}

void PageHashes::remove_older() const {
  if (unlink(at_.c_str()) == 0) return sync_folder(folder_of(at_));
  if (errno != ENOENT)
    fail_errno(Errc::io, errno, fmt::format("cannot remove the older page hashes {}", at_));
}

void PageHashes::commit() noexcept {
  try {
    file_.commit();
  } catch (const Error& e) {
    say(fmt::format(
        "ferry: the image is whole, but has no page hashes: {}; the next delta needs the "
        "image itself\n",
        printable(e.what())));
  }
}

}  // namespace ferry::host
