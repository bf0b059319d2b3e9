// Where a saved image goes: a file that appears whole and durable under its name or not at all, a
// block device, or a stream.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "files/named_file.h"
#include "files/save_target.h"
#include "files/target_hold.h"
#include "io/descriptor.h"

namespace ferry {

class ImageOutput {
 public:
  // any: whatever find_save_target() takes; a file that is there keeps its owner and mode. files:
  // only what can appear at once, mode 0600, or standard output: for what is no image, or was not
  // written as io/block_device.h wants it.
  enum class Takes { files, any };
  // "-" is standard output. A file has no name until commit(), or another one beside it where the
  // file system cannot do without; mode 0600 until then. A device keeps what is on it until
  // something is written to fd(); a FIFO is waited for until somebody reads it. With any, what is
  // written to is this output's alone (files/target_hold.h). Throws Error(io) for what cannot be
  // written to, as far as that can be known; Error(busy) if another save writes to it.
  explicit ImageOutput(const std::string& path, Takes takes = Takes::files);
  ~ImageOutput();  // without commit() nothing is left of the file
  ImageOutput(const ImageOutput&) = delete;
  ImageOutput& operator=(const ImageOutput&) = delete;

  int fd() const { return fd_.get(); }
  bool durable() const { return target_.durable(); }
  // Those whom the file had let read it before can read what takes its place.
  bool others_can_read() const { return target_.was && (target_.was->mode & 0077) != 0; }

  // Syncs the file, gives it its name (replacing what had it) and syncs
  // the folder; of a device, syncs it and turns the head back. Throws Error(io), also if with any
  // another file has got the name, or the one that had it was written to; then nothing is
  // left of a file, and what had the name still has it. Only if the folder itself could not be
  // synced is the file there all the same, whole, and the sentence says so: what it has replaced is
  // gone by then.
  // about_to_count: called when all is on the disk, right before the name or the head makes it
  // count.
  void commit(const std::function<void(const NamedFile&)>& about_to_count = {});
  // After commit(): that a file still has its name, and is as it was written. Throws Error(io).
  void check_there() const;
  // After commit(): the image is of no use after all. Nothing is left of it, nor of what it had
  // replaced.
  void withdraw() noexcept;

 private:
  void open_stream();
  void open_device();
  void open_file(Takes takes);
  void make_temporary();
  void take_owner_and_mode() const;
  void take_name();
  void check_folder() const;
  template <typename Make>
  std::string with_free_name(Make make) const;

  SaveTarget target_;
  std::string given_;      // how it was called
  std::string name_;       // of a file in its folder
  std::string temporary_;  // its name there until commit(), if it has one
  Descriptor folder_, fd_;
  std::optional<HeldName> held_;
  bool committed_ = false;
  std::optional<NamedFile> named_;  // a file that was committed
};

}  // namespace ferry
