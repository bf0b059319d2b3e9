// How a saved guest is to be made again on this host, whatever host that is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/config_record.h"
#include "files/file_lock.h"
#include "proto/xl_wrapper.h"
#include "xen/lifecycle.h"

namespace ferry::host {

// What the operator wants.
struct RestoreAs {
  std::string file;           // for messages
  std::string name;           // another name for the domain, or empty
  bool force = false;         // although the guest is still here, or a migration open for it
  bool trust_config = false;  // the operator vouches for the image's configuration
  std::string config = {};    // the operator's own, libxl's JSON, instead of it; empty: none
  uint64_t memory_mib = 0;    // of the domain; 0: as the configuration says
};

// The header of the xl file that makes the guest, and its configuration once more, parsed.
struct RestoreConfig {
  XlHeader header;
  nlohmann::ordered_json json;
  std::vector<std::string> dropped;  // keys of the image's that libxl does not know
  // Of its uuid, from refuse_second_copy() on: nobody else brings the guest here meanwhile.
  std::optional<FileLock> arrival = {};
};

// From what the image says, with the name that was asked for, as it was judged
// (config/judge_config.h) and written anew. Needs no Xen. Throws Error(bad_image) for a
// configuration that no host of ours takes, Error(unsupported) for one that is not JSON, or that
// asks for more than is taken unseen, from an image that this host did not save and nobody vouches
// for; Error(no_memory) if the guest has more memory than the domain would get.
RestoreConfig restore_config(const SavedConfig& saved, const RestoreAs& as);

// For people: what was left out of the image's configuration.
void tell_dropped(const RestoreConfig& config);

// Throws Error(busy) if the guest or its name is on this host already, Error(needs_operator) if a
// migration is open here that may have let it run elsewhere; gives it a new uuid where a second
// copy is forced.
void refuse_second_copy(RestoreConfig& config, Lifecycle& life, const RestoreAs& as);

}  // namespace ferry::host
