// Saving a PV guest: from a domain to an image.
#pragma once

#include <functional>
#include <optional>

#include "base_pages/base_pages.h"
#include "ferry/v1/image.pb.h"
#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "pipeline/progress.h"
#include "save/live/live_options.h"
#include "xen/domain.h"

namespace ferry {

struct SaveOptions {
  // Of zstd; 0 stores raw pages. None: chosen as the save goes on (save/level_control.h), by the
  // times that its parts take, so that the same state gives other bytes each time.
  std::optional<int> level = 2;
  std::function<uint64_t()> clock_ns;  // for that; of a simulation
  std::optional<v1::Config> config;    // what to put into the image for `ferry restore`
  bool timeline = true;                // times and host name; false: same state, same bytes
  // Copies the memory while the guest runs and suspends it for the rest. Ignored for a guest that
  // is suspended already.
  std::optional<LiveOptions> live;
  // What the image is a delta of: only what differs from it is written. Of one save only, and it
  // must outlive that.
  BasePages* base = nullptr;
  // Gets what the image says of each page, and is finished with its name: as good as the image for
  // the next delta. It must have room for all pfns of the guest.
  BasePages* page_hashes = nullptr;
};

// What the engine asks of whoever looks after the domain's life (libxl, or a simulation).
struct SaveCallbacks {
  // Suspends the guest and returns when it is suspended; throws if it would not. Not called for a
  // guest that is suspended already.
  std::function<void()> suspend;
  // That it suspends a paused guest too; otherwise that is refused.
  bool suspends_paused = false;
  // While the guest runs, before anything of it is sent: whether there is room for an image of at
  // least so many bytes and for a save of so many pages. Throws if there is not.
  std::function<void(uint64_t least_bytes, uint64_t guest_pages)> check_room = {};
  ProgressSink progress;
  const StopFlag* stop = nullptr;  // looked at between batches
};

struct SaveResult {
  uint64_t guest_bytes = 0;
  uint64_t image_bytes = 0;
  uint64_t suspended_us = 0;  // from the guest's suspension to the end of the image
  std::optional<LiveReport> live;
};

// Saves the domain into sink. The guest is suspended afterwards, and the image is whole but no
// more durable than sink makes it; when it throws, the guest is as suspend() left it, and nothing
// of it stays mapped. Throws Error: unsupported (not a 64-bit PV guest), guest, no_domain, io,
// aborted, …
SaveResult save_domain(const Hypervisor& xen, domid_t domid, ByteSink& sink, Executor& executor,
                       const SaveOptions& options, const SaveCallbacks& callbacks);

// What save_domain() refuses about a domain before anything is touched. Throws Error.
void check_can_save(const Hypervisor& xen, const DomainInfo& domain);
// That it can answer whoever asks it to suspend and does no more. Throws Error(guest).
void refuse_paused(const DomainInfo& domain);

}  // namespace ferry
