// How a guest changes its own page tables: mmu_update, update_va_mapping, and stores that Xen
// emulates.
#pragma once

#include "kernel/rules.h"

namespace ferry {

inline constexpr uint64_t kUserReadOnly = kPtePresent | kPteUser | kPteAccessed | kPteDirty;

template <typename Book>
void mmu_update_rules(Book& b) {
  const pfn_t l1 = b.table(1), data = b.page(), plain = b.page();
  b.says("update.user_page", b.update(b.maddr(l1, 1), b.entry(data, kTableFlags)));
  b.reads("update.user_page.reads", b.read(l1, 1) & kNotTheFrame);
  b.says("update.kernel_page", b.update(b.maddr(l1, 2), b.entry(data, kKernelReadWrite)));
  b.reads("update.kernel_page.reads", b.read(l1, 2) & kNotTheFrame);
  b.says("update.cache_attribute", b.update(b.maddr(l1, 3), b.entry(data, kTableFlags | kPtePcd)));
  b.says("update.itself_writable", b.update(b.maddr(l1, 3), b.entry(l1, kTableFlags)));
  b.says("update.itself_readonly", b.update(b.maddr(l1, 3), b.entry(l1, kUserReadOnly)));
  b.says("update.no_such_frame", b.update(b.maddr(l1, 4), kNoSuchMfn << kPageShift | kTableFlags));
  b.says("update.not_present", b.update(b.maddr(l1, 4), 0x1234 << kPageShift | kPteAvail));
  b.reads("update.not_present.reads", b.read(l1, 4));
  b.says("update.unaligned", b.update(b.maddr(l1, 4) + 4, 0));

  b.says("update.preserve", b.update(b.maddr(l1, 1) | MMU_PT_UPDATE_PRESERVE_AD,
                                     b.entry(data, kPtePresent | kPteUser)));
  b.reads("update.preserve.reads", b.read(l1, 1) & kNotTheFrame);
  b.says("update.normal", b.update(b.maddr(l1, 1), b.entry(data, kPtePresent | kPteUser)));
  b.reads("update.normal.reads", b.read(l1, 1) & kNotTheFrame);
  b.says("update.no_translate",
         b.update(b.maddr(l1, 5) | MMU_PT_UPDATE_NO_TRANSLATE, b.entry(data, kUserReadOnly)));
  b.says("update.subtype_4", b.update(b.maddr(l1, 5) | 4, 0));
  b.says("update.subtype_7", b.update(b.maddr(l1, 5) | 7, 0));

  // A page that is no table is written like memory, as long as it may be mapped writable.
  b.says("update.plain_page", b.update(b.maddr(plain, 7), 0x123456789abcdef1));
  b.reads("update.plain_page.reads", b.read(plain, 7));
  b.remap(plain, kKernelReadOnly);
  b.says("update.plain_page_shown_readonly", b.update(b.maddr(plain, 8), 0x77));
  b.reads("update.plain_page_shown_readonly.reads", b.read(plain, 8));
  b.says("update.no_such_table", b.update(kNoSuchMfn << kPageShift, 0));

  // Whose table, and whose frame.
  b.says("update.own_table_named",
         b.update(b.maddr(l1, 6), 0, (DOMID_SELF + 1u) << 16 | DOMID_SELF));
  b.says("update.frame_of_domain_0", b.update(b.maddr(l1, 6), 0, 0));
  b.says("update.frame_of_nobody", b.update(b.maddr(l1, 6), 0, kNoSuchDomain));
  b.says("update.frame_of_io", b.update(b.maddr(l1, 6), 0, DOMID_IO));
  b.says("update.own_frame_as_io",
         b.update(b.maddr(l1, 6), b.entry(data, kUserReadOnly), DOMID_IO));
  b.says("update.frame_of_xen", b.update(b.maddr(l1, 6), 0, DOMID_XEN));
  b.says("update.table_of_domain_0", b.update(b.maddr(l1, 6), 0, 1u << 16 | DOMID_SELF));
  b.says("update.table_of_nobody",
         b.update(b.maddr(l1, 6), 0, (kNoSuchDomain + 1u) << 16 | DOMID_SELF));

  const mmu_update_t batch[] = {{b.maddr(l1, 10), b.entry(data, kUserReadOnly)},
                                {b.maddr(l1, 11), b.entry(data, kUserReadOnly | kPtePwt)},
                                {b.maddr(l1, 12), b.entry(data, kUserReadOnly)}};
  uint32_t done = 99;
  b.says("update.batch",
         b.call(__HYPERVISOR_mmu_update, Book::address(batch), 3, Book::address(done), DOMID_SELF));
  b.says("update.batch.done", done);
  b.reads("update.batch.first", b.read(l1, 10) & kPtePresent);
  b.reads("update.batch.third", b.read(l1, 12) & kPtePresent);
  b.says("update.none", b.call(__HYPERVISOR_mmu_update, 0, 0, 0, DOMID_SELF));
}

template <typename Book>
void upper_table_rules(Book& b) {
  const pfn_t l4 = b.table(4), l3 = b.page(), l2 = b.table(2), l1 = b.page(), other = b.page();
  b.says("upper.l2.writable_lower", b.update(b.maddr(l2, 1), b.entry(l1, kTableFlags)));
  b.remap(l1, kKernelReadOnly);
  b.says("upper.l2.lower", b.update(b.maddr(l2, 1), b.entry(l1, kTableFlags)));
  b.says("upper.l2.lower_shown_writable", b.remap(l1, kKernelReadWrite));
  b.says("upper.l2.global", b.update(b.maddr(l2, 1), b.entry(l1, kTableFlags | kPteGlobal)));
  b.says("upper.l2.large", b.update(b.maddr(l2, 2), b.entry(other, kTableFlags | kPtePse)));
  b.says("upper.l2.clear", b.update(b.maddr(l2, 1), 0));
  b.says("upper.l2.lower_free", b.remap(l1, kKernelReadWrite));
  b.says("upper.l4.l2_as_l3", b.update(b.maddr(l4, 1), b.entry(l2, kTableFlags)));
  b.remap(l3, kKernelReadOnly);
  b.says("upper.l4.l3", b.update(b.maddr(l4, 1), b.entry(l3, kTableFlags)));
  b.says("upper.l4.slot_of_xen", b.update(b.maddr(l4, kXenL4First), b.entry(l3, kTableFlags)));
  b.says("upper.l4.last_slot_of_xen", b.update(b.maddr(l4, kXenL4Last), 0));
  b.says("upper.l4.slot_behind", b.update(b.maddr(l4, kXenL4Last + 1), b.entry(l3, kTableFlags)));
  b.says("upper.l4.itself_readonly", b.update(b.maddr(l4, 2), b.entry(l4, kUserReadOnly)));
  b.says("upper.l4.itself_writable", b.update(b.maddr(l4, 3), b.entry(l4, kTableFlags)));
  b.says("upper.l3.shown_writable", b.remap(l3, kKernelReadWrite));
  b.says("upper.l4.unpin", b.ext(MMUEXT_UNPIN_TABLE, b.mfn(l4)));
  b.says("upper.l3.shown_writable_then", b.remap(l3, kKernelReadWrite));
}

template <typename Book>
void m2p_rules(Book& b) {
  const pfn_t data = b.page(), l1 = b.table(1);
  const uint64_t mfn = b.mfn(data), at = b.maddr(data) | MMU_MACHPHYS_UPDATE;
  b.says("m2p.own", b.update(at, 0x4321));
  b.reads("m2p.own.reads", b.m2p(mfn));
  b.says("m2p.own_back", b.update(at, data.raw()));
  b.says("m2p.own_table", b.update(b.maddr(l1) | MMU_MACHPHYS_UPDATE, l1.raw()));
  b.says("m2p.no_such_frame", b.update(kNoSuchMfn << kPageShift | MMU_MACHPHYS_UPDATE, 0));
  b.says("m2p.as_domain_0", b.update(at, 1, 0));
  uint64_t value = 0;
  b.reads("m2p.is_read", b.machine().try_load(kM2pVa + 8 * mfn, value));
  b.reads("m2p.is_written", b.machine().try_store(kM2pVa + 8 * mfn, data.raw()));
}

template <typename Book>
void update_va_rules(Book& b) {
  const pfn_t data = b.page(), l1 = b.table(1);
  const uint64_t entry = b.entry(data, kKernelReadWrite);
  const uint64_t every_vcpu = ~uint64_t{0};
  const auto mapped = [&] {
    uint64_t value = 0;
    return uint64_t{b.machine().try_load(b.hole, value)};
  };
  b.says("va.nothing", b.update_va(b.hole, 0));
  b.reads("va.nothing.mapped", mapped());
  b.says("va.no_flush", b.update_va(b.hole, entry, UVMF_NONE));
  b.reads("va.no_flush.mapped", mapped());
  b.reads("va.entry_reads",
          b.half().core.map.l1_entry(b.hole) & kNotTheFrame & ~kPteAccessed & ~kPteDirty);
  b.says("va.flush_here", b.update_va(b.hole, entry, UVMF_TLB_FLUSH | UVMF_LOCAL));
  b.says("va.flush_everywhere", b.update_va(b.hole, entry, UVMF_TLB_FLUSH | UVMF_ALL));
  b.says("va.invalidate_here", b.update_va(b.hole, entry, UVMF_INVLPG | UVMF_LOCAL));
  b.says("va.invalidate_everywhere", b.update_va(b.hole, entry, UVMF_INVLPG | UVMF_ALL));
  b.says("va.flush_some",
         b.update_va(b.hole, entry, UVMF_TLB_FLUSH | UVMF_MULTI | Book::address(every_vcpu)));
  b.says("va.invalidate_some",
         b.update_va(b.hole, entry, UVMF_INVLPG | UVMF_MULTI | Book::address(every_vcpu)));
  b.says("va.flush_by_a_bad_list", b.update_va(b.hole, 0, UVMF_TLB_FLUSH | kXensAddress));
  b.reads("va.flush_by_a_bad_list.is_changed", b.half().core.map.l1_entry(b.hole) != entry);
  b.says("va.invalidate_by_a_bad_list", b.update_va(b.hole, 0, UVMF_INVLPG | kXensAddress));
  b.says("va.both_flushes", b.update_va(b.hole, entry, 3));
  b.says("va.clear", b.update_va(b.hole, 0));
  b.reads("va.clear.mapped", mapped());

  b.says("va.software_entry", b.update_va(b.hole, 0x1234 << kPageShift | kPteAvail));
  b.reads("va.software_entry.reads", b.half().core.map.l1_entry(b.hole));
  b.says("va.cache_attribute", b.update_va(b.hole, entry | kPtePwt));
  b.says("va.table_writable", b.update_va(b.hole, b.entry(l1, kKernelReadWrite)));
  b.says("va.table_readonly", b.update_va(b.hole, b.entry(l1, kKernelReadOnly)));
  b.says("va.no_such_frame", b.update_va(b.hole, kNoSuchMfn << kPageShift | kKernelReadOnly));
  b.says("va.clear_again", b.update_va(b.hole, 0));

  b.says("va.not_canonical", b.update_va(kNotCanonical, 0));
  b.says("va.of_xen", b.update_va(kXensAddress, 0));
  b.says("va.last_of_xen", b.update_va(0xffff87fffffff000, 0));
  b.says("va.without_tables", b.update_va(0xffffd00000000000, entry));
  b.says("va.of_user_mode_without_tables", b.update_va(0x7000000000, entry));
  b.says("va.unaligned", b.update_va(b.hole + 0x123, entry));
  b.says("va.unaligned_clear", b.update_va(b.hole + 0x123, 0));
  const auto for_other = [&](uint32_t domid) {
    return b.call(__HYPERVISOR_update_va_mapping_otherdomain, b.hole, 0, UVMF_NONE, domid);
  };
  b.says("va.other.self", for_other(DOMID_SELF));
  b.says("va.other.domain_0", for_other(0));
  b.says("va.other.nobody", for_other(kNoSuchDomain));
  b.says("va.other.io", for_other(DOMID_IO));
}

// 1 where the store was made, and what the CPU was told where it was not.
template <typename Book>
void emulated(Book& b, const char* name, const char* cr2_name, uint64_t va, uint64_t value) {
  b.half().cpus.write_cr2(0);
  const bool stored = b.machine().try_store(va, value);
  b.reads(name, stored);
  b.reads(cr2_name, b.half().cpus.read_cr2() == va);
}

template <typename Book>
void emulation_rules(Book& b) {
  const pfn_t l1 = b.table(1), l2 = b.table(2), l4 = b.table(4), data = b.page(), plain = b.page();
  b.remap(plain, kKernelReadOnly);
  const auto try_it = [&](const char* name, const char* cr2, unsigned slot, uint64_t value) {
    emulated(b, name, cr2, b.va(l1, slot), value);
  };
  try_it("emulate.map", "emulate.map.faults", 1, b.entry(data, kTableFlags));
  b.reads("emulate.map.reads", b.read(l1, 1) & kNotTheFrame);
  try_it("emulate.kernel_page", "emulate.kernel_page.faults", 2, b.entry(data, kKernelReadWrite));
  b.reads("emulate.kernel_page.reads", b.read(l1, 2) & kNotTheFrame);
  try_it("emulate.readonly", "emulate.readonly.faults", 1, b.entry(data, kPtePresent | kPteUser));
  b.reads("emulate.readonly.reads", b.read(l1, 1) & kNotTheFrame);
  try_it("emulate.not_present", "emulate.not_present.faults", 3, 0x1234 << kPageShift | kPteAvail);
  b.reads("emulate.not_present.reads", b.read(l1, 3));
  try_it("emulate.cache_attribute", "emulate.cache_attribute.faults", 3,
         b.entry(data, kTableFlags | kPtePcd));
  b.reads("emulate.cache_attribute.reads", b.read(l1, 3));
  try_it("emulate.itself_writable", "emulate.itself_writable.faults", 3, b.entry(l1, kTableFlags));
  try_it("emulate.itself_readonly", "emulate.itself_readonly.faults", 3,
         b.entry(l1, kUserReadOnly));
  try_it("emulate.no_such_frame", "emulate.no_such_frame.faults", 4,
         kNoSuchMfn << kPageShift | kUserReadOnly);
  emulated(b, "emulate.two_halves", "emulate.two_halves.faults", b.va(l1, 5) + 4, 0);
  emulated(b, "emulate.off_by_two", "emulate.off_by_two.faults", b.va(l1, 5) + 2, 0);
  b.machine().store_byte(b.va(l1, 1) + 7, 0x80);  // NX
  b.reads("emulate.one_byte.reads", b.read(l1, 1) & kNotTheFrame);

  emulated(b, "emulate.l2", "emulate.l2.faults", b.va(l2, 1), 0);
  emulated(b, "emulate.l2_software_entry", "emulate.l2_software_entry.faults", b.va(l2, 1), 0x800);
  emulated(b, "emulate.l4", "emulate.l4.faults", b.va(l4, 1), 0);
  emulated(b, "emulate.readonly_data", "emulate.readonly_data.faults", b.va(plain, 1), 1);
  emulated(b, "emulate.nothing_mapped", "emulate.nothing_mapped.faults", b.hole, 1);

  b.says("emulate.off",
         b.call(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables));
  try_it("emulate.while_off", "emulate.while_off.faults", 6, 0);
  b.says("emulate.on",
         b.call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
  try_it("emulate.while_on", "emulate.while_on.faults", 6, 0);
  b.says("emulate.unpin", b.ext(MMUEXT_UNPIN_TABLE, b.mfn(l1)));
  try_it("emulate.unpinned", "emulate.unpinned.faults", 7, 0);
}

}  // namespace ferry
