// A file that somebody else opened under its name, and that shows itself there only once it is
// whole.
#pragma once

#include <string>

namespace ferry {

// xl opens the file of a save before anything is in it, and whoever takes what lies in a folder for
// saved guests (xendomains) would find half of one after a power failure. While this exists, a
// regular file goes by a hidden name in its folder: for NAME, .NAME.unfinished. It keeps its name
// where that cannot be: it has several or none, that of a descriptor cannot be told, the folder
// cannot be written, the hidden name would be too long, or another save under way has it; and so
// does what is no regular file. A file, a device or a FIFO is this save's alone meanwhile.
class UnfinishedFile {
 public:
  // -1: of nothing. Throws Error(busy) if another save writes to what fd is open on, and Error(io)
  // if another one has replaced it since it was opened.
  explicit UnfinishedFile(int fd);
  // Without keep() the file is removed, whatever it is called by then.
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  // Its name when it is finished; "" if this has nothing to do.
  const std::string& path() const { return path_; }
  // It is on the disk: gives it its name back and syncs the folder. Throws Error(io), and the file
  // is removed, if another file has taken one of the names, or the folder cannot be written or
  // synced.
  void finish();
  // After finish(): the image counts.
  void keep() { kept_ = true; }

 private:
  int fd_;
  std::string path_;    // "" if this has nothing to do
  std::string hidden_;  // "" if the file has kept its name
  bool kept_ = false;
};

}  // namespace ferry
