// How a saved guest is to be made again on this host, whatever host that is.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "proto/image_file.h"
#include "proto/xl_wrapper.h"
#include "xen/lifecycle.h"

namespace ferry::host {

// What the operator wants.
struct RestoreAs {
  std::string file;    // for messages
  std::string name;    // another name for the domain, or empty
  bool force = false;  // although the guest still runs here
};

// The header of the xl file that makes the guest, and its configuration once more, parsed.
struct RestoreConfig {
  XlHeader header;
  nlohmann::ordered_json json;
};

// From the image, with the name that was asked for. Needs no host. Throws Error(bad_image) for a
// configuration that no host of ours takes, Error(unsupported) for one that is not JSON.
RestoreConfig restore_config(const ImageFile& image, const RestoreAs& as);

// Throws Error(busy) if the guest or its name is on this host already; gives it a new uuid where a
// second copy is forced.
void refuse_second_copy(RestoreConfig& config, Lifecycle& life, const RestoreAs& as);

}  // namespace ferry::host
