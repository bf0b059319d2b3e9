// What a guest is to be saved to, from the name that somebody gave.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

namespace ferry {

enum class TargetKind {
  standard_output,
  file,    // there, or to be made
  device,  // a block device: written in place
  fifo,    // written as it comes, to whoever reads it
};

struct SaveTarget {
  TargetKind kind = TargetKind::file;
  std::string path;  // links followed
  // Of a file that is there, and that a new one takes the place of.
  struct Was {
    uid_t owner = 0;
    gid_t group = 0;
    mode_t mode = 0;  // permissions
  };
  std::optional<Was> was;

  // What is written is there for good once it is synced.
  bool durable() const { return kind == TargetKind::file || kind == TargetKind::device; }
};

// Touches nothing. A link is followed, also to where nothing is yet. Throws Error(io), in a
// sentence, for what no image can be kept in: a folder, a socket, a character device, a file that
// cannot be replaced, a name that is too long, links in a circle; and for what somebody else has
// put into a folder that all may write to, so that a guest's memory would be theirs.
SaveTarget find_save_target(const std::string& path);

// Where a name is: "." for one without a folder.
std::string folder_of(const std::string& path);

// What is written there may never reach a disk: standard output, or a FIFO.
bool is_stream(const std::string& path);

}  // namespace ferry
