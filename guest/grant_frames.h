// The frames of the grant table, mapped into the kernel. Freestanding-clean.
//
// They are Xen's, so no page table may name one while the guest is saved, and a new domain has
// others.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/core.h"
#include "guest/mmu.h"

namespace ferry {

template <guest_machine Machine>
class grant_frames {
 public:
  static constexpr uint32_t kMaxFrames = 64;

  grant_frames(guest_core<Machine>& core, mmu<Machine>& tables) : core_(core), tables_(tables) {}

  // Maps the first nr frames of the grant table at va, where page tables exist and nothing is
  // mapped. False if Xen has not that many.
  [[nodiscard]] bool setup(uint64_t va, uint32_t nr) {
    if (nr > kMaxFrames) return false;
    va_ = va;
    nr_ = nr;
    if (map()) return true;
    nr_ = 0;
    return false;
  }

  void suspend() {
    for (uint32_t i = 0; i < nr_; ++i) tables_.set_pte_mfn(va_ + i * kPageSize, mfn_t(0), 0);
  }
  void resume() {
    if (nr_ != 0 && !map()) core_.machine.bug("grant table is smaller after a resume");
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(va_), visit(nr_);
  }

 private:
  bool map() {
    uint64_t frames[kMaxFrames];
    abi::gnttab_setup_table request{};
    request.dom = static_cast<uint16_t>(abi::kDomidSelf);
    request.nr_frames = nr_;
    request.frame_list = reinterpret_cast<uint64_t>(frames);
    if (core_.machine.hypercall(abi::kGrantTableOp, abi::kGnttabopSetupTable,
                                reinterpret_cast<uint64_t>(&request), 1, 0, 0) != 0 ||
        request.status != 0)
      return false;
    for (uint32_t i = 0; i < nr_; ++i)
      tables_.set_pte_mfn(va_ + i * kPageSize, mfn_t(frames[i]), kKernelReadWrite);
    return true;
  }

  guest_core<Machine>& core_;
  mmu<Machine>& tables_;
  uint64_t va_ = 0;
  uint32_t nr_ = 0;
};

}  // namespace ferry
