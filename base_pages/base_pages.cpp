// What a delta's base says of each page (drawn in base_pages.h).
#include "base_pages/base_pages.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <xxh_x86dispatch.h>  // XXH3 with the widest vectors this machine has

#include <cerrno>
#include <cstring>
#include <utility>

#include "error/error.h"

namespace ferry {
namespace {

constexpr uint64_t kUnfinished = 0, kFinished = 0x5345474150455341;  // "ASEPAGES"

}  // namespace

struct BasePages::Front {
  uint64_t state;
  uint64_t nr_pfns;
  uint64_t bytes;
  std::array<std::byte, 16> digest_of_digests;
  std::array<std::byte, 32> sha256;
  std::array<std::byte, 192> key;
};

void BasePages::map(uint64_t bytes, bool shared) {
  static_assert(sizeof(Front) <= kPageSize && sizeof(Front::key) >= XXH3_SECRET_SIZE_MIN);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE, fd_.get(), 0);
  if (memory == MAP_FAILED)
    fail_errno(Errc::no_memory, errno, "there is no memory for what the base says of its pages");
  memory_ = static_cast<std::byte*>(memory);
  bytes_ = bytes;
  front_ = reinterpret_cast<Front*>(memory_);
  words_ = reinterpret_cast<Word*>(memory_ + kPageSize);
  room_ = (bytes - kPageSize) / sizeof(Word);
}

BasePages BasePages::make(uint64_t most_pfns) {
  BasePages pages;
  const uint64_t bytes = kPageSize + most_pfns * sizeof(Word);
  pages.fd_.reset(memfd_create("ferry-base", MFD_CLOEXEC));
  if (!pages.fd_ || ftruncate(pages.fd_.get(), static_cast<off_t>(bytes)) != 0)
    fail_errno(Errc::no_memory, errno, "there is no memory for what the base says of its pages");
  pages.map(bytes, true);
  pages.front_->state = kUnfinished;
  if (getrandom(pages.front_->key.data(), sizeof(Front::key), 0) != ssize_t{sizeof(Front::key)})
    fail_errno(Errc::internal, errno, "no random numbers to be had");
  return pages;
}

BasePages BasePages::adopt(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) fail_errno(Errc::io, errno, "cannot read what the base says");
  const auto bytes = static_cast<uint64_t>(status.st_size);
  BasePages pages;
  if (!S_ISREG(status.st_mode) || bytes < kPageSize)
    fail(Errc::internal, "what was handed over says nothing of a base");
  pages.fd_.reset(dup(fd));
  if (!pages.fd_) fail_errno(Errc::io, errno, "cannot read what the base says");
  pages.map(bytes, false);
  if (pages.front_->state != kFinished || pages.front_->nr_pfns > pages.room_)
    fail(Errc::internal, "the base was not read to its end");
  pages.nr_pfns_ = pages.front_->nr_pfns;
  return pages;
}

BasePages::BasePages(BasePages&& other) noexcept
    : fd_(std::move(other.fd_)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      front_(other.front_),
      words_(other.words_),
      room_(other.room_),
      nr_pfns_(other.nr_pfns_) {
}

BasePages::~BasePages() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

void BasePages::finish(uint64_t nr_pfns, const BaseName& name) {
  if (nr_pfns > room_) fail(Errc::internal, "there is no room for {} pfns of a base", nr_pfns);
  front_->nr_pfns = nr_pfns_ = nr_pfns;
  front_->bytes = name.bytes;
  front_->digest_of_digests = name.digest_of_digests;
  front_->sha256 = name.sha256;
  front_->state = kFinished;
}

BaseName BasePages::name() const {
  return {front_->sha256, front_->digest_of_digests, front_->bytes};
}

BasePages::Word BasePages::hash(unsigned kind, const std::byte* bytes) const {
  const XXH128_hash_t hash =
      XXH3_128bits_withSecret(bytes, kPageSize, front_->key.data(), front_->key.size());
  return {hash.low64 + kind, hash.high64};
}

}  // namespace ferry
