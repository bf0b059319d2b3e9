// The file of a saved guest that is to be restored: what has to be known of it is read by a process
// without rights.
#pragma once

#include <string>

#include "config/config_record.h"
#include "io/input_file.h"

namespace ferry::host {

class SavedFile {
 public:
  // Opens it. confined: false reads it in this process, for finding faults. Throws Error(io),
  // Error(bad_image).
  SavedFile(const std::string& path, bool confined) : file_(path), confined_(confined) {}

  // That a restore may begin, as far as head, index and end say; and the guest's configuration. As
  // whoever has taken the reader over would have it, too, if somebody could. This process has one
  // thread, and nothing of Xen open. Throws Error.
  SavedConfig read();

  // The image's bytes, once they have been found by read().
  FileSource image() const { return FileSource(file_, offset_, bytes_); }

  // Says what is wrong with the image, if that is why it did not restore. Under the same
  // conditions. Throws Error(bad_image).
  void blame() const;

 private:
  InputFile file_;
  bool confined_;
  uint64_t offset_ = 0, bytes_ = 0;
};

}  // namespace ferry::host
