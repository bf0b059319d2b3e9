// ferry's own engine on simulated hosts, as the save helper calls it.
#pragma once

#include <optional>
#include <string>

#include "error/error.h"
#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "restore/restore.h"
#include "save/save.h"
#include "sim/machine/host.h"

namespace ferry::sim {

// What became of a save or a restore: done, or the error it ended with.
struct Outcome {
  std::optional<Errc> error;
  std::string sentence;
  bool done() const { return !error; }
};

struct Saved : Outcome {
  Bytes image;
  bool asked_to_suspend = false;
};

// Saves a domain of host. suspend is what the life cycle does when it is asked to.
Saved engine_save(Host& host, uint32_t domid, Executor& executor, const SaveOptions& options = {},
                  const std::function<void()>& suspend = {}, const StopFlag* stop = nullptr);

// The same into a sink: the image then is where it puts it.
Saved engine_save_to(Host& host, uint32_t domid, ByteSink& sink, Executor& executor,
                     const SaveOptions& options = {}, const std::function<void()>& suspend = {},
                     const StopFlag* stop = nullptr);

struct Restored : Outcome {
  uint32_t domid = 0;
  mfn_t store_mfn, console_mfn;
  uint64_t unread = 0;  // bytes of the image that were not read
};

// Creates a domain with room for `pages`, as libxl does before it starts the helper.
RestoreTarget create_target(Host& host, uint64_t pages, unsigned vcpus);

// Restores the image into it.
Restored engine_restore(Host& host, std::span<const std::byte> image, const RestoreTarget& target,
                        Executor& executor, unsigned threads = 1);

// Destroys a domain and everything it had.
void destroy_domain(Host& host, uint32_t domid);

// Lets a suspended domain go on, as xl does after a save that failed.
void resume_domain(Host& host, uint32_t domid);

// True if any vCPU of the domain has registers and page tables: it could run.
bool can_run(Host& host, uint32_t domid);

}  // namespace ferry::sim
