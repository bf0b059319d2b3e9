// What a command looks into: the image of a guest, or a guest that runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "borrow/borrowed_guest.h"
#include "command_line/command.h"
#include "delta/image_files.h"
#include "io/descriptor.h"

namespace ferry {

// What the command line says of it.
struct SourceName {
  std::string name;
  std::vector<std::string> bases = {};  // of a delta
  std::string via = {};                 // a command that lends guests; empty: this host's
};

class GuestSource {
 public:
  // A file if there is one of that name or the name has a slash, else a running guest of that name
  // or number. Opens the file; starts the process that reads the guest, which lives as long as this
  // object. To be made while this process has its rights. Throws Error(io), Error(usage).
  explicit GuestSource(const SourceName& named);
  // Of an image whose chain is found already.
  explicit GuestSource(delta::ImageFiles files);
  ~GuestSource();
  GuestSource(GuestSource&&) noexcept = default;

  // The guest as an image; of one that runs as it is now, each time anew. Throws Error.
  ImageFile open() const;

  bool running() const { return lender_ != nullptr; }
  const std::string& path() const { return running() ? lender_->what() : files_->path(); }
  uint64_t size() const { return running() ? 0 : files_->size(); }  // bytes of files
  // What came of it since open(); nothing of an image. Throws Error.
  std::optional<borrow::Seen> seen() const;

  // True if this would be the name of a running guest.
  static bool names_guest(const std::string& name);

 private:
  void start(const SourceName& named);

  std::optional<delta::ImageFiles> files_;
  Descriptor socket_;
  pid_t child_ = -1;
  std::shared_ptr<borrow::Lender> lender_;
};

// How commands describe what they look into.
inline constexpr const char* kGuestOrImage =
    "Image, or xl save file that holds one; or a running guest, by name or number";

// --via.
void add_via(Command command, std::string& via);

// "web1 ran on meanwhile: …", in sentences that each end a line; nothing of what is of one moment.
std::string in_words(const std::string& name, const borrow::Seen& seen);

}  // namespace ferry
