// A guest's vCPUs as records, every machine frame number in them turned into a pfn.
#pragma once

#include <vector>

#include "ferry/v1/image.pb.h"
#include "save/guest_view.h"

namespace ferry {

// One for each online vCPU. Throws Error(guest), naming vCPU and field, when a vCPU refers to a
// frame that is not the guest's.
std::vector<v1::Vcpu> read_vcpus(const Hypervisor& xen, const DomainInfo& domain,
                                 const GuestView& guest);
// The same of a guest that was not asked to suspend: its registers are what they happen to be, and
// none may be online. For who looks, not for who restores.
std::vector<v1::Vcpu> read_vcpus_as_they_are(const Hypervisor& xen, const DomainInfo& domain,
                                             const GuestView& guest);

// vCPU 0 handed its start_info page to the suspend hypercall, in rdx.
pfn_t start_info_of(const v1::Vcpu& vcpu0);

}  // namespace ferry
