// Debian's unmodified libxenguest, as a test calls it: save to a file, prepare a domain as libxl
// does, restore.
#pragma once

#include <string>

#include "sim/builder/guest_builder.h"
#include "sim/machine/host.h"

namespace ferry::sim {

// xc_domain_save of a suspended guest into fd; 0 or the errno it failed with. live adds
// XCFLAGS_LIVE: then suspend() is called when the engine asks for it.
int stock_save(
    Host& host, uint32_t domid, int fd, bool live = false,
    const std::function<int()>& suspend = [] { return 1; });

struct StockRestored {
  int os_errno = 0;  // 0: done
  uint32_t domid = 0;
  unsigned long store_mfn = 0, console_mfn = 0;
};
// Creates a domain with room for that many pages and restores the stream at fd into it.
StockRestored stock_restore(Host& host, int fd, uint64_t pages, unsigned vcpus);

// An anonymous file.
int scratch_file();

}  // namespace ferry::sim
