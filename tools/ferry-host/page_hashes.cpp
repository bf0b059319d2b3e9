// What an image says of its pages, as a file.
#include "tools/ferry-host/page_hashes.h"

#include <unistd.h>

#include <algorithm>

#include "error/error.h"
#include "proto/pages.h"

namespace ferry::host {
namespace {

constexpr uint64_t kBytesPerPfn = 16;
constexpr uint64_t kShareOfMemory = 8;  // of this machine's, at most

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
}

void PageHashes::write() {
  FdSink sink(file_.fd(), path_);
  BasePages::adopt(pages_.fd()).write_to(sink);
}

}  // namespace ferry::host
