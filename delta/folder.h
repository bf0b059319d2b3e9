// What of a folder of images can be restored.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/input_file.h"
#include "pipeline/pipeline.h"

namespace ferry::delta {

enum class LinkState {
  restorable,  // whole, or a delta of what is restorable
  orphaned,    // a sound delta whose base is missing, or is not restorable itself
  damaged,     // some of its bytes are not what was written
  no_image,
};
const char* state_name(LinkState state);

struct FolderEntry {
  std::string path;
  LinkState state = LinkState::no_image;
  bool delta = false;
  std::string sha256;           // in hex, of an image that is not damaged: what deltas name
  std::string base_sha256;      // in hex, that a delta names
  std::optional<size_t> base;   // which entry that is
  uint64_t bytes = 0;           // of the file
  uint64_t links = 0;           // files that a restore reads, this one included
  uint64_t deltas_upon_it = 0;  // that name it
  std::string why;              // of one that is orphaned or damaged, in words
};

// Reads every byte of every image, and checks all digests; what the guest's memory says is for an
// audit. The entries are in the files' order. Throws Error(io).
std::vector<FolderEntry> verify_folder(const std::vector<InputFile>& files, Executor& executor);

}  // namespace ferry::delta
