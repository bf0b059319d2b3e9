// Where an image has the configuration of its guest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proto/image_file.h"
#include "proto/xl_wrapper.h"

namespace ferry {

// The first Config record with a configuration in it, read alone: whatever else an image has stays
// where it is. Throws Error(bad_image).
std::optional<v1::Config> config_record(const ImageFile& image);

// What the image says of how to create the domain: in a file of xl its header, else the Config
// record. Throws Error(bad_image) if it says nothing.
XlHeader config_header(const ImageFile& image);

// What an image says of its configuration, for who restores it.
struct SavedConfig {
  XlHeader header;
  bool in_xl_file = false;
  std::string mark;          // of the host that saved it (own_mark.h); empty: none
  uint64_t guest_pages = 0;  // that the guest has, by the image's head
  bool paused = false;       // it was paused, and is to be again
};

// The same as config_header(), with the mark.
SavedConfig saved_config(const ImageFile& image);

}  // namespace ferry
