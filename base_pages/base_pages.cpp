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

// "ferrypg1", on little-endian machines, which is how all of a file of page hashes is read.
constexpr uint64_t kUnfinished = 0, kFinished = 0x3167707972726566;

std::array<std::byte, 16> bytes_of(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::array<std::byte, 16> bytes;
  std::memcpy(bytes.data(), &canonical, bytes.size());
  return bytes;
}

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

BasePages BasePages::over(int fd, bool shared) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) fail_errno(Errc::io, errno, "cannot read what the base says");
  const auto bytes = static_cast<uint64_t>(status.st_size);
  BasePages pages;
  if (!S_ISREG(status.st_mode) || bytes < kPageSize)
    fail(Errc::internal, "what was handed over says nothing of a base");
  pages.fd_.reset(dup(fd));
  if (!pages.fd_) fail_errno(Errc::io, errno, "cannot read what the base says");
  pages.map(bytes, shared);
  return pages;
}

BasePages BasePages::fill(int fd) {
  return over(fd, true);
}

BasePages BasePages::adopt(int fd) {
  BasePages pages = over(fd, false);
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

bool BasePages::begins_so(std::span<const std::byte> first_bytes) {
  return first_bytes.size() >= kFirstBytes &&
         std::memcmp(first_bytes.data(), &kFinished, kFirstBytes) == 0;
}

void BasePages::write_to(ByteSink& file) const {
  if (front_->state != kFinished) fail(Errc::internal, "page hashes are not finished");
  const std::span all(memory_, kPageSize + front_->nr_pfns * sizeof(Word));
  file.write(all);
  file.write(bytes_of(XXH3_128bits(all.data(), all.size())));
}

void BasePages::read_from(ByteSource& file) {
  alignas(Front) std::array<std::byte, kPageSize> front;
  const bool whole = file.read(front) == front.size() && begins_so(front);
  if (!whole) fail(Errc::bad_image, "these are no page hashes");
  const uint64_t nr_pfns = reinterpret_cast<const Front*>(front.data())->nr_pfns;
  if (nr_pfns > room_)
    fail(Errc::unsupported, "there are page hashes of {} pfns; there is room for {}", nr_pfns,
         room_);
  const std::span all(memory_, kPageSize + nr_pfns * sizeof(Word));
  std::array<std::byte, 17> digest;  // and whatever follows
  const bool complete = file.read(all.subspan(kPageSize)) == all.size() - kPageSize &&
                        file.read(digest) == sizeof(XXH128_hash_t);
  std::memcpy(all.data(), front.data(), front.size());
  const auto sum = bytes_of(XXH3_128bits(all.data(), all.size()));
  if (complete && std::memcmp(digest.data(), sum.data(), sum.size()) == 0) {
    nr_pfns_ = nr_pfns;
    return;
  }
  front_->state = kUnfinished;
  fail(Errc::bad_image, "these page hashes are damaged, or cut off");
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
