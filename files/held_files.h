// Files that what is being written builds upon.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "files/named_file.h"
#include "io/descriptor.h"

namespace ferry {

// As long as this lives no save of this host replaces them or writes to them (files/target_hold.h
// asks for each alone). Somebody else still can, with mv or rm: check() tells.
class HeldFiles {
 public:
  // fd: open on the file with that path, at which it is to be found later. Throws Error(busy) if a
  // save writes to it, Error(io).
  void hold(int fd, const std::string& path);
  // Throws Error(io), naming the first that is not at its path any more, or was written to.
  void check() const;
  // What builds upon them is about to count: is_built_upon() of each from now on, in this run of
  // the host. Throws Error(io).
  void note_built_upon() const;
  bool empty() const { return files_.empty(); }
  // Whether path leads to one of them.
  bool has(const std::string& path) const noexcept;

 private:
  struct Held {
    Descriptor fd;
    std::string path;
    struct stat was = {};
  };
  std::vector<Held> files_;
};

// Whether ferry has written something that builds upon that file: then it removes it no more.
bool is_built_upon(const NamedFile& file) noexcept;

}  // namespace ferry
