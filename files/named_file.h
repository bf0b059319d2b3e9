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

// What has been written to a stream: nothing that could be found again. path: how people call it.
inline NamedFile stream_called(const std::string& path) {
  return {path};
}
inline bool was_a_stream(const NamedFile& file) {
  return file.inode == 0;
}

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

// Removes it if it still is that very file, also where it has not got its name yet, but the one
// beside it that a save uses until then.
Removed remove_file(const NamedFile& file) noexcept;

}  // namespace ferry
