// Frames given back to Xen and taken again, and frames of other domains in their place.
// Freestanding-clean.
//
// The order is what matters: at no time may the p2m name a frame that is not the guest's without
// the mark of a foreign one, and no mapping may be left when the frame goes.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/core.h"

namespace ferry {

template <guest_machine Machine>
class balloon {
 public:
  explicit balloon(guest_core<Machine>& core) : core_(core) {}

  // A page that nobody uses or maps but the direct map. False if Xen does not take the frame: then
  // everything is as before.
  [[nodiscard]] bool out(pfn_t pfn) {
    const mfn_t mfn = core_.p2m.frame_of(pfn);
    map(pfn, 0);
    if (!core_.p2m.set(pfn, kInvalidP2mEntry)) core_.machine.bug("page without a p2m leaf");
    uint64_t frame = mfn.raw();
    if (reserve(abi::kXenmemDecreaseReservation, frame) == 1) return true;
    if (!core_.p2m.set(pfn, mfn.raw())) core_.machine.bug("page without a p2m leaf");
    map(pfn, raw(make_pte(mfn, kKernelReadWrite)));
    return false;
  }

  // A pfn without a frame gets one, mapped in the direct map, its contents anything. False if there
  // is no memory: then everything is as before.
  [[nodiscard]] bool in(pfn_t pfn) {
    if (core_.p2m.get(pfn) != kInvalidP2mEntry) return false;
    uint64_t frame = pfn.raw();
    if (reserve(abi::kXenmemPopulatePhysmap, frame) != 1) return false;
    if (!core_.p2m.set(pfn, frame)) {
      if (reserve(abi::kXenmemDecreaseReservation, frame) != 1)
        core_.machine.warn("a frame was lost");
      return false;
    }
    map(pfn, raw(make_pte(mfn_t(frame), kKernelReadWrite)));
    return true;
  }

  // A frame of another domain that was mapped by a grant, at a pfn that has none of its own. False
  // if the pfn has one or memory ran out: the grant has to be unmapped again then.
  [[nodiscard]] bool set_foreign(pfn_t pfn, mfn_t mfn) {
    return core_.p2m.get(pfn) == kInvalidP2mEntry && core_.p2m.set(pfn, foreign_frame(mfn));
  }
  // Before the grant is unmapped. False if the pfn is not foreign.
  [[nodiscard]] bool clear_foreign(pfn_t pfn) {
    return p2m_kind_of(core_.p2m.get(pfn)) == p2m_kind::foreign &&
           core_.p2m.set(pfn, kInvalidP2mEntry);
  }

 private:
  void map(pfn_t pfn, uint64_t entry) {
    core_.must(core_.machine.hypercall(abi::kUpdateVaMapping, core_.machine.va_of(pfn), entry,
                                       abi::kUvmfInvlpg | abi::kUvmfAll, 0, 0),
               "cannot change the direct map");
  }
  int64_t reserve(uint64_t cmd, uint64_t& frame) {
    abi::memory_reservation request{};
    request.extent_start = reinterpret_cast<uint64_t>(&frame);
    request.nr_extents = 1;
    request.domid = static_cast<uint16_t>(abi::kDomidSelf);
    return core_.machine.hypercall(abi::kMemoryOp, cmd, reinterpret_cast<uint64_t>(&request), 0, 0,
                                   0);
  }

  guest_core<Machine>& core_;
};

}  // namespace ferry
