// A file that is known again by more than its name.
#pragma once

#include <cstdint>
#include <string>

namespace ferry {

struct NamedFile {
  std::string path;  // absolute
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t changed_ns = 0;  // its contents, since 1970
};

// What fd is open on, which has that path or is to get it. Throws Error(io).
NamedFile named_file(int fd, const std::string& path);

// Whether it still has its path, whatever was written to it.
bool has_its_path(const NamedFile& file) noexcept;

// A regular file that has its path, and not the contents that it had. False of a device, which
// nobody can tell.
bool was_written_to(const NamedFile& file) noexcept;

enum class Removed {
  yes,
  none,  // nothing has that path, or another file
  no,    // it is a device, or was written to since then, or cannot be removed
};

// Removes it if it still is that very file.
Removed remove_file(const NamedFile& file) noexcept;

}  // namespace ferry
