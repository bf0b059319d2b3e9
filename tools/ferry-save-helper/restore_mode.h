// ferry-save-helper --restore-domain: what libxl starts for xl restore and xl migrate-receive.
#pragma once

#include <optional>

#include "host/channel.h"
#include "restore/guest_state.h"
#include "settings/settings.h"

namespace ferry::helper {

struct RestoreArguments {
  int io_fd = -1;
  RestoreTarget target;
  uint32_t stream_type = 0;
};

// Restores and reports. Returns the exit status: 0 whenever libxl was told what happened. Nothing
// if this restore is the stock helper's: HVM, Remus, COLO, or a stream that libxc wrote; then
// nothing has been touched, and no byte of the stream taken.
std::optional<int> run_restore(const RestoreArguments& arguments, const Settings& settings,
                               Channel& channel);

}  // namespace ferry::helper
