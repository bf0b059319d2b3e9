// An image and what it builds upon, opened before a process gives up its rights, read after.
#pragma once

#include <string>
#include <vector>

#include "io/input_file.h"
#include "proto/image_file.h"

namespace ferry::delta {

class ImageFiles {
 public:
  // bases: nothing for an image that is no delta; or one folder that has, among up to kMostInFolder
  // files, what it builds upon; or those files themselves, the oldest first. Opens them all.
  // Throws Error(io), Error(usage).
  explicit ImageFiles(const std::string& file, const std::vector<std::string>& bases = {});

  // What the image builds upon is somewhere among these files, and those of these folders.
  static ImageFiles found_among(const std::string& file, const std::vector<std::string>& others);

  static constexpr size_t kMostInFolder = 512;

  const InputFile& newest() const { return newest_; }
  const std::string& path() const { return newest_.path(); }
  uint64_t size() const;                   // bytes, of all files
  std::vector<std::string> paths() const;  // all that are open
  std::vector<int> descriptors() const;
  bool alone() const { return bases_.empty() && !to_be_found_; }

  // The files of the chain, the oldest first, as open_chain() takes them. Throws Error(bad_image).
  std::vector<InputFile> links() const;
  // All of it as one image, each link proven (chain.h), on threads of its own. Throws
  // Error(bad_image), Error(io).
  ImageFile open() const;

 private:
  InputFile newest_;
  std::vector<InputFile> bases_;
  bool to_be_found_ = false;  // those that it builds upon among bases_
};

// The regular files of a folder that are not hidden, by name. Throws Error(io), or Error(usage) if
// they are more than `most`.
std::vector<InputFile> open_folder(const std::string& path, size_t most);

}  // namespace ferry::delta
