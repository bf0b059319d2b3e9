// What a restore keeps back until the image is known to be whole: nothing of it may reach the
// domain before, so that a bad image never yields a guest that can run.
#pragma once

#include <map>
#include <optional>

#include "ferry/v1/image.pb.h"
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
  // Takes a Tsc, SharedInfo or Vcpu record of the image with this head. Throws Error(bad_image) for
  // one that comes twice, and before more is kept than kMostVcpuBytes for one vCPU and
  // kMostStateBytes for all.
  void take(const v1::Record& record, const v1::Head& head);

  static constexpr size_t kMostVcpuBytes = 64u << 10;   // the largest XSAVE areas have 11 KiB
  static constexpr size_t kMostStateBytes = 48u << 20;  // 8192 vCPUs, as many as Xen allows

  // Makes the domain what the image says: TSC, shared_info, start_info, vCPUs, pins, grants. All
  // pages are in place, nothing of the guest is mapped. Throws Error(bad_image), naming the vCPU
  // and field or the page table that Xen refused.
  RestoreResult apply(const Hypervisor& xen, const RestoreTarget& target, const v1::Head& head,
                      const FrameMap& frames) const;

 private:
  void take_vcpu(const v1::Record& record, const v1::Head& head);

  std::optional<v1::Tsc> tsc_;
  std::optional<v1::SharedInfo> shared_info_;
  std::map<uint32_t, v1::Vcpu> vcpus_;
  size_t state_bytes_ = 0;  // of vcpus_
};

}  // namespace ferry
