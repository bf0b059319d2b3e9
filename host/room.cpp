// Whether a save has room here.
#include "host/room.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "error/error.h"
#include "io/block_device.h"

namespace ferry::host {
namespace {

constexpr unsigned kMiB = 20;

// The records that are under way for each thread, its pages and its compressor's memory; and, for
// each page, what a live save knows of it, the index of any, and a hash (base_pages/base_pages.h).
constexpr uint64_t kThread = 11 << kMiB;
constexpr uint64_t kLivePage = 24, kIndexedPage = 5, kHashedPage = 16;

uint64_t bytes_a_page(const MemoryForSave& save) {
  return kIndexedPage + (save.live ? kLivePage : 0) + (save.has_base ? kHashedPage : 0) +
         (save.page_hashes ? kHashedPage : 0);
}

// In bytes.
std::optional<uint64_t> available(std::string_view meminfo) {
  constexpr std::string_view kName = "MemAvailable:";
  const size_t at = meminfo.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = meminfo.substr(at + kName.size());
  const size_t digits = std::min(rest.find_first_not_of(' '), rest.size());
  uint64_t kib = 0;
  const auto end = std::from_chars(rest.data() + digits, rest.data() + rest.size(), kib);
  if (end.ec != std::errc()) return std::nullopt;
  return kib << 10;
}

}  // namespace

std::optional<uint64_t> free_space_behind(int fd) {
  struct stat status = {};
  struct statvfs there = {};
  if (const auto bytes = device_bytes(fd)) {
    const auto at = static_cast<uint64_t>(std::max<off_t>(lseek(fd, 0, SEEK_CUR), 0));
    return *bytes - std::min(*bytes, at);
  }
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  if (fstatvfs(fd, &there) != 0) return std::nullopt;
  return uint64_t{there.f_bfree} * there.f_frsize;
}

void check_room_for_image(int fd, uint64_t least_bytes) {
  const auto free = free_space_behind(fd);
  if (!free || *free >= least_bytes) return;
  fail_errno(Errc::io, ENOSPC,
             fmt::format("the image takes at least {} MiB and there is room for {} MiB",
                         (least_bytes + (1u << kMiB) - 1) >> kMiB, *free >> kMiB));
}

void check_memory_for_save(const MemoryForSave& save, std::string_view meminfo) {
  const uint64_t needed = save.threads * kThread + save.guest_pages * bytes_a_page(save);
  const auto there = available(meminfo);
  if (!there || *there >= needed) return;
  fail(Errc::no_memory,
       "saving it with {} threads takes {} MiB of memory, and dom0 has {} MiB left: free some, or "
       "set fewer threads",
       save.threads, needed >> kMiB, *there >> kMiB);
}

}  // namespace ferry::host
