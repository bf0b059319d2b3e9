// Page types: what a frame is used as, and the validation that comes with becoming a page table.
// The rules are Xen's for PV guests (xen/arch/x86/mm.c); real Xen is asked about them in
// tests/conformance. Functions return 0 or a negative errno, exactly as Xen would.
#pragma once

#include "sim/machine/frame_pool.h"

namespace ferry::sim {

// One more reference as `type`. The caller already holds a general reference. A page table or
// descriptor page is validated on its first one. EINVAL when in use as something else.
[[nodiscard]] int get_page_type(Host& host, mfn_t mfn, PageType type);
// Drops one; the last one of a page table drops everything that its entries hold.
void put_page_type(Host& host, mfn_t mfn);

// Both references at once. EINVAL when the frame is not the domain's.
[[nodiscard]] int get_page_and_type(Host& host, mfn_t mfn, DomainNumber owner, PageType type);
void put_page_and_type(Host& host, mfn_t mfn);

// The references that a present L1 entry of `table_owner`'s tables holds on a frame of
// `frame_owner`.
[[nodiscard]] int get_page_from_l1e(Host& host, uint64_t l1e, DomainNumber table_owner,
                                    DomainNumber frame_owner);
void put_page_from_l1e(Host& host, uint64_t l1e);

// The same for an entry of a table of level 2 to 4, which is frame `table`.
[[nodiscard]] int get_page_from_table_entry(Host& host, unsigned level, uint64_t entry, mfn_t table,
                                            DomainNumber owner);
void put_page_from_table_entry(Host& host, uint64_t entry, mfn_t table);

// The changes that Xen makes to a present entry of a 64-bit guest before storing it.
uint64_t adjust_guest_entry(unsigned level, uint64_t entry);

// Flags that an entry of that level may not carry.
uint64_t disallowed_flags(unsigned level);

// Whether a segment descriptor may stand in a GDT or LDT; may change it (DPL) as Xen does.
bool check_descriptor(uint64_t& descriptor);

// Whether the domain asked for an M2P that its user-mode address spaces cannot see.
inline bool hides_m2p(const Domain& d) {
  return d.vm_assist >> VMASST_TYPE_m2p_strict & 1;
}
// Shows or hides the M2P in slot 256 of a validated L4.
void show_m2p(Host& host, mfn_t l4, bool shown);

// Takes a table apart although somebody still refers to it: only for a domain being killed.
void force_demote(Host& host, mfn_t mfn);

}  // namespace ferry::sim
