// What a page looked like, in 16 bytes that a guest can neither predict nor forge.
#include "save/live/content_hash.h"

#include <sys/random.h>
#include <xxh_x86dispatch.h>  // XXH3 with the widest vectors this machine has

#include <cerrno>

#include "error/error.h"
#include "p2m/frames.h"

namespace ferry {

PageHasher::PageHasher() {
  static_assert(sizeof key_ >= XXH3_SECRET_SIZE_MIN);
  if (getrandom(key_.data(), key_.size(), 0) != ssize_t{sizeof key_})
    fail_errno(Errc::internal, errno, "no random numbers to be had");
}

PageHash PageHasher::of(const std::byte* page) const {
  const XXH128_hash_t hash = XXH3_128bits_withSecret(page, kPageSize, key_.data(), key_.size());
  return {hash.low64, hash.high64};
}

// Races with the guest by design, so the thread sanitizer is told not to look.
__attribute__((no_sanitize("thread"))) PageHash PageHasher::of_guest_page(
    const std::byte* guest_page) const {
  return of(guest_page);
}

}  // namespace ferry
