// vCPU records back into vCPUs, every pfn in them turned into a frame of this host.
#pragma once

#include "intake/guest_records.h"
#include "restore/frame_map.h"
#include "xen/domain.h"

namespace ferry {

// The start_info page, from rdx of vCPU 0. Throws Error(bad_image) unless it is a page of data.
pfn_t start_info_pfn(const GuestVcpu& vcpu0, const FrameMap& frames);

// Sets registers, page tables, GDT, FPU and MSRs. From here on Xen holds the guest's tables to its
// rules. Throws Error(bad_image), naming vCPU and field.
void set_vcpu(const Hypervisor& xen, const DomainInfo& domain, const GuestVcpu& vcpu,
              const FrameMap& frames);

}  // namespace ferry
