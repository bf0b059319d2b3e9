// ferry-save-helper --save-domain: what libxl starts for xl save, and ferry-host for ferry save.
#pragma once

#include "host/channel.h"
#include "p2m/frames.h"
#include "settings/settings.h"

namespace ferry::helper {

struct SaveArguments {
  int io_fd = -1;
  domid_t domid{};
  uint32_t flags = 0;        // XCFLAGS_*
  uint32_t stream_type = 0;  // 0: neither Remus nor COLO
};

// True if this save is the stock helper's: HVM, 32-bit, Remus, COLO.
bool save_is_for_stock_helper(const SaveArguments& arguments);

// Saves and reports. Returns the exit status: 0 whenever libxl was told what happened.
int run_save(const SaveArguments& arguments, const Settings& settings, Channel& channel);

}  // namespace ferry::helper
