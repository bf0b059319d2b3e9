// One save at a time writes to what a guest is saved to.
#pragma once

#include <optional>
#include <string>

#include <sys/stat.h>

#include "files/file_lock.h"
#include "io/descriptor.h"

namespace ferry {

// What fd is open on, a file, a device or a FIFO, is this open file description's alone until all
// its descriptors are closed, among those who ask here (flock; udev has a device for a moment).
// False if another save has it. True also of what cannot be locked.
bool hold_opened(int fd);

// What killed saves have left of holding names: files in run_dir that nobody has locked.
void remove_left_holds() noexcept;

// A name in a folder that a file is to get, and what had it when this was made.
class HeldName {
 public:
  // Held against every other save of this host that has this run_dir. folder has to outlive this.
  // given: how people called it. Throws Error(busy), Error(io).
  HeldName(int folder, const std::string& name, const std::string& given);
  // Gives the name to the file that is called temporary in the folder, if what had it then has it
  // still and was not written to, or nothing did and nothing does. Throws Error(io).
  void give_to(const std::string& temporary) const;

 private:
  [[noreturn]] void fail_taken() const;
  bool is_as_before() const;

  int folder_;
  std::string name_, given_;
  std::optional<FileLock> lock_;
  Descriptor before_;  // kept open, so that no new file gets its number
  std::optional<struct stat> was_;
};

}  // namespace ferry
