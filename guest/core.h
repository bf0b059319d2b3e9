// What all parts of the guest half share: the state of one guest. Freestanding-clean.
#pragma once

#include <stdint.h>

#include "canonicalize/pte.h"
#include "guest/abi.h"
#include "guest/kernel_map.h"
#include "guest/machine.h"
#include "guest/multicall.h"
#include "guest/phys_to_machine.h"

namespace ferry {

// L4 slots of user mode are below.
inline constexpr unsigned kUserSlots = kXenL4First;

template <guest_machine Machine>
struct guest_core {
  explicit guest_core(Machine& m) : machine(m), map(*this), p2m(m, map), calls(m) {}
  guest_core(const guest_core&) = delete;
  guest_core& operator=(const guest_core&) = delete;

  Machine& machine;
  kernel_map<Machine> map;
  phys_to_machine<Machine> p2m;
  multicalls<Machine> calls;

  pfn_t init_pgd;                // the L4 of the kernel itself
  bool struct_pages = false;     // page() can be believed; until then every table counts as pinned
  bool devices = false;          // has devices of its own, so Xen lets it set cache attributes
  uint64_t shared_info_va = 0;   // where shared_info is to be seen; a dummy while suspended
  uint64_t first_pgd = kNoPage;  // list of all L4s but the kernel's
  pfn_t builders_p2m;            // where the builder's list is mapped apart from the kernel, with
  uint64_t builders_p2m_pages = 0;  // page tables of its own among these pages; often none

  // What an entry reads as: the frame becomes a pfn. A frame that is not the guest's gives an entry
  // without P and frame, because no pfn could be right.
  uint64_t pte_val(uint64_t value) const {
    const machine_pte e{value};
    if (!present(e)) return value;
    const uint64_t pfn = p2m.mfn_to_pfn(frame_of(e));
    if (pfn == kInvalidPfn) return flags_of(e) & ~kPtePresent;
    return raw(make_pte(pfn_t(pfn), flags_of(e)));
  }

  // And what is written for one: the frame becomes an mfn, a foreign one where the p2m says so. A
  // pfn without a frame gives an empty entry.
  uint64_t make_pte_value(uint64_t value) const {
    const pfn_pte e{value};
    if (!present(e)) return value;
    const uint64_t entry = p2m.get(frame_of(e));
    if (entry == kInvalidP2mEntry) return 0;
    return raw(make_pte(p2m_frame_of(entry), flags_of(e)));
  }

  // The early form: the builder's p2m, and the tables that are with it, can be mapped read-only
  // only.
  uint64_t make_pte_value_init(uint64_t value) const {
    const pfn_pte e{value};
    const bool protect = present(e) && frame_of(e).raw() - builders_p2m.raw() < builders_p2m_pages;
    return make_pte_value(protect ? value & ~kPteRw : value);
  }

  // The machine address of something the kernel sees at va.
  uint64_t machine_address_of(uint64_t va) const {
    const uint64_t offset = va & (kPageSize - 1);
    if (machine.in_direct_map(va))
      return static_cast<uint64_t>(maddr_of(p2m.frame_of(machine.pfn_of(va)), offset));
    const machine_pte e{map.l1_entry(va)};
    if (!present(e)) machine.bug("machine address of something that is not mapped");
    return static_cast<uint64_t>(maddr_of(frame_of(e), offset));
  }

  // The pfn of the table or page that a present entry of the kernel's own names.
  pfn_t pfn_behind(uint64_t value) const {
    const uint64_t pfn = p2m.mfn_to_pfn(frame_of(machine_pte{value}));
    if (pfn == kInvalidPfn) machine.bug("page-table entry names a frame that is not ours");
    return pfn_t(pfn);
  }

  bool pinned(pfn_t pfn) const { return !struct_pages || machine.page(pfn).pinned; }

  // In a batch: how the direct map shows a page.
  void queue_readonly(pfn_t pfn, uint64_t flush) { queue_remap(pfn, kKernelReadOnly, flush); }
  void queue_readwrite(pfn_t pfn, uint64_t flush) { queue_remap(pfn, kKernelReadWrite, flush); }

  // At once, for what cannot be allowed to fail. The page may have been used before: this vCPU's
  // old translation goes.
  void remap_now(pfn_t pfn, uint64_t flags) {
    must(machine.hypercall(abi::kUpdateVaMapping, machine.va_of(pfn),
                           raw(make_pte(p2m.frame_of(pfn), flags)), abi::kUvmfInvlpg, 0, 0),
         "cannot change the direct map");
  }
  void mmuext_now(uint32_t cmd, mfn_t mfn) {
    const abi::mmuext_op op{cmd, 0, mfn.raw(), 0};
    must(machine.hypercall(abi::kMmuextOp, reinterpret_cast<uint64_t>(&op), 1, 0, abi::kDomidSelf,
                           0),
         "page-table operation refused");
  }
  void update_now(uint64_t entry_address, uint64_t value) {
    const abi::mmu_update update{entry_address | abi::kNormalPtUpdate, value};
    must(machine.hypercall(abi::kMmuUpdate, reinterpret_cast<uint64_t>(&update), 1, 0,
                           abi::kDomidSelf, 0),
         "page-table update refused");
  }

  void must(int64_t result, const char* sentence) const {
    if (result < 0) machine.bug(sentence);
  }

 private:
  void queue_remap(pfn_t pfn, uint64_t flags, uint64_t flush) {
    calls.queue_update_va_mapping(machine.va_of(pfn), raw(make_pte(p2m.frame_of(pfn), flags)),
                                  flush);
  }
};

}  // namespace ferry
