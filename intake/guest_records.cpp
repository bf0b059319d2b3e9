// What an image says of its guest: how much of it there can be.
#include "intake/guest_records.h"

#include "error/error.h"

namespace ferry {

void check_vcpu_size(const GuestVcpu& vcpu) {
  if (vcpu.bytes() > kMostVcpuBytes)
    fail(Errc::bad_image, "the image is bad: vCPU {} has {} bytes of state, too much", vcpu.id,
         vcpu.bytes());
}

void check_policy_size(std::span<const std::byte> cpuid_leaves, std::span<const std::byte> msrs) {
  if (cpuid_leaves.size() > kMostPolicyBytes || msrs.size() > kMostPolicyBytes)
    fail(Errc::bad_image, "the image is bad: its CPU policy has {} bytes, too many",
         cpuid_leaves.size() + msrs.size());
}

void check_shared_info_size(std::span<const std::byte> page) {
  if (page.size() != kPageSize)
    fail(Errc::bad_image, "the image is bad: its shared_info has {} bytes", page.size());
}

}  // namespace ferry
