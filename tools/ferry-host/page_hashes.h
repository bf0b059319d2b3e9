// The file that stands for an image as the base of the next delta (ferry save --page-hashes).
#pragma once

#include <string>

#include "base_pages/base_pages.h"
#include "files/image_output.h"

namespace ferry::host {

// Pfns that there is room for on this machine, 16 bytes each: a guest's map of pfns is larger than
// its memory only where it was made small.
uint64_t most_pfns_of_a_base();

class PageHashes {
 public:
  // Throws Error(io) if there can be no such file, Error(usage) if it would be no file at all, or
  // take the place of one that holds something else.
  explicit PageHashes(const std::string& path);

  int memory() const { return pages_.fd(); }  // whoever saves fills it
  // All of it, under no name yet. Throws Error.
  void write();
  // Those of the same name, which are of an image that is about to be replaced: beside the new one
  // they would be taken for its own, whatever happens before commit(). Throws Error(io) if they may
  // still be there, or be there again after a power failure.
  void remove_older() const;
  // The image is there, whatever becomes of these: if it is nothing, that is told.
  void commit() noexcept;
  void withdraw() noexcept { file_.withdraw(); }

 private:
  const std::string path_;
  std::string at_;  // where links lead
  ImageOutput file_;
  BasePages pages_;
};

}  // namespace ferry::host
