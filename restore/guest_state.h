// What a restore keeps back until the image is known to be whole: nothing of it may reach the
// domain before, so that a bad image never yields a guest that can run.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "intake/guest_records.h"
#include "restore/frame_map.h"
#include "xen/domain.h"

namespace ferry {

struct RestoreTarget {
  domid_t domid{};
  uint32_t store_evtchn = 0;
  uint32_t store_domid = 0;
  uint32_t console_evtchn = 0;
  uint32_t console_domid = 0;
};

struct RestoreResult {
  mfn_t store_mfn;
  mfn_t console_mfn;
  uint64_t guest_bytes = 0;
};

class GuestState {
 public:
  // What the image with this head says in one of its records. Throws Error(bad_image) for what
  // comes twice, and before more is kept than kMostVcpuBytes for one vCPU and kMostStateBytes for
  // all.
  void take_tsc(uint64_t record, const GuestTsc& tsc);
  void take_shared_info(uint64_t record, std::span<const std::byte> page);
  void take_vcpu(uint64_t record, GuestVcpu vcpu, const GuestHead& head);

  static constexpr size_t kMostStateBytes = 48u << 20;  // 8192 vCPUs, as many as Xen allows

  // Makes the domain what the image says: TSC, shared_info, start_info, vCPUs, pins, grants. All
  // pages are in place, nothing of the guest is mapped. Throws Error(bad_image), naming the vCPU
  // and field or the page table that Xen refused.
  RestoreResult apply(const Hypervisor& xen, const RestoreTarget& target, const GuestHead& head,
                      const FrameMap& frames) const;

 private:
  std::optional<GuestTsc> tsc_;
  std::optional<std::vector<std::byte>> shared_info_;
  std::map<uint32_t, GuestVcpu> vcpus_;
  size_t state_bytes_ = 0;  // of vcpus_
};

}  // namespace ferry
