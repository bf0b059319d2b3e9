// Saving a guest without ever losing it: suspend, save, and then let it go or give it back. Over
// any life cycle and any engine, so that the same code recovers on a host and over a simulated
// machine.
#pragma once

#include <optional>
#include <string>

#include "custody/resume_guest.h"
#include "custody/save_engine.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// What becomes of the guest once its image is durable.
enum class Afterwards { destroy, keep, pause };

struct SaveRequest {
  std::string domain;  // name or number
  std::string file;    // or "-" for standard output
  Afterwards afterwards = Afterwards::destroy;
  Settings settings = {};
  bool live = false;                  // the guest runs while its memory is copied
  std::optional<int> base = {};       // of a delta: a descriptor (custody/save_engine.h)
  RefuseClaimed refuse_claimed = {};  // custody/resume_guest.h
  // That the delta's base is still to be had: asked before the image counts. Throws Error.
  std::function<void()> check_base = [] {};
  // The engine is done, and nothing counts yet. Throws Error: then the guest runs on, unsaved.
  std::function<void()> is_whole = [] {};
  // Right before a file or a device counts. Throws Error: then it does not.
  std::function<void()> about_to_count = [] {};
  std::function<void()> counts = [] {};  // the image has its name now
  std::optional<int> page_hashes = {};   // gets what this image says, of the next delta's base
  std::string restore_options = {};      // of `ferry restore` of it, each with a space behind it
};

struct SaveReport {
  domid_t domid{};
  std::string name;
  uint64_t guest_bytes = 0;
  uint64_t image_bytes = 0;  // of a file
  double suspended_seconds = 0;
};

// Throws Error. Unless its code is needs_operator, a guest that ran before runs again and there is
// no file. With needs_operator the guest is whole and suspended, and the sentence names the command
// that puts it right.
SaveReport save_guest(const Hypervisor& xen, Lifecycle& life, const SaveEngine& engine,
                      const SaveRequest& request, const ProgressCallback& progress);

}  // namespace ferry
