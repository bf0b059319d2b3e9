// How a domain's time stamp counter behaves.
#pragma once

#include "xen/hypervisor.h"

namespace ferry {

// TscInfo::mode, as tsc_mode of a guest's configuration.
inline constexpr uint32_t kTscDefault = 0, kTscAlwaysEmulated = 1, kTscNative = 2;

struct TscInfo {
  uint32_t mode = 0;
  uint64_t nsec = 0;
  uint32_t khz = 0;  // of the guest's counter; 0 in native mode
  uint32_t incarnation = 0;
};

TscInfo get_tsc(const Hypervisor& xen, domid_t domid);
void set_tsc(const Hypervisor& xen, domid_t domid, const TscInfo& tsc);
// Of this host's own counter, in kHz.
uint32_t host_tsc_khz(const Hypervisor& xen);

}  // namespace ferry
