// Whether a save has room here: asked while the guest still runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ferry::host {

// What the file system of a regular file has left, or a block device behind where the descriptor
// stands, in bytes; of another descriptor nothing. Throws Error(io).
std::optional<uint64_t> free_space_behind(int fd);

// Throws Error(io) if that surely is not enough for an image of at least so many bytes.
void check_room_for_image(int fd, uint64_t least_bytes);

struct MemoryForSave {
  uint64_t guest_pages;
  unsigned threads;
  bool live = false;
  bool has_base = false;  // which is in memory by now, and is copied where the delta changes it
  bool page_hashes = false;
};

// Throws Error(no_memory) if a save takes more memory than dom0 has. meminfo is the text of
// /proc/meminfo; one that says nothing is no reason.
void check_memory_for_save(const MemoryForSave& save, std::string_view meminfo);

}  // namespace ferry::host
