// The state of one virtual CPU, in the four parts in which Xen gives and takes it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "xen/hypervisor.h"
#include "xen/xen_abi.h"

namespace ferry {

using VcpuContext = vcpu_guest_context_x86_64_t;
inline constexpr unsigned kMaxGdtEntries = 7168;  // FIRST_RESERVED_GDT_ENTRY
inline constexpr unsigned kGdtEntriesPerFrame = 512;

// Frames a GDT of this many entries needs: 0 to 14.
constexpr unsigned gdt_frames(uint64_t entries) {
  return static_cast<unsigned>((entries + kGdtEntriesPerFrame - 1) / kGdtEntriesPerFrame);
}

bool vcpu_online(const Hypervisor& xen, domid_t domid, uint32_t vcpu);
VcpuContext get_vcpu_context(const Hypervisor& xen, domid_t domid, uint32_t vcpu);
void set_vcpu_context(const Hypervisor& xen, domid_t domid, uint32_t vcpu, VcpuContext context);

// Opaque blobs; empty when Xen has none. Setting an empty one does nothing.
std::vector<std::byte> get_vcpu_extended(const Hypervisor& xen, domid_t domid, uint32_t vcpu);
std::vector<std::byte> get_vcpu_xsave(const Hypervisor& xen, domid_t domid, uint32_t vcpu);
std::vector<std::byte> get_vcpu_msrs(const Hypervisor& xen, domid_t domid, uint32_t vcpu);
void set_vcpu_extended(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                       std::span<const std::byte> blob);
void set_vcpu_xsave(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                    std::span<const std::byte> blob);
void set_vcpu_msrs(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                   std::span<const std::byte> blob);

}  // namespace ferry
