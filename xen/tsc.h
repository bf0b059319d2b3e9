// How a domain's time stamp counter behaves.
#pragma once

#include "xen/hypervisor.h"

namespace ferry {

struct TscInfo {
  uint32_t mode = 0;
  uint64_t nsec = 0;
  uint32_t khz = 0;
  uint32_t incarnation = 0;
};

TscInfo get_tsc(const Hypervisor& xen, domid_t domid);
void set_tsc(const Hypervisor& xen, domid_t domid, const TscInfo& tsc);

}  // namespace ferry
