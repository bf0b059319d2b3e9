// Frames that a guest gives, takes and exchanges, and what it asks of Xen about itself.
#pragma once

#include "kernel/rules.h"

namespace ferry {

// Exchanges pages for others, one for one: extents are frames that go, and pfns for those that
// come, which Xen replaces.
template <typename Book>
int64_t exchange(Book& b, xen_pfn_t* in, xen_pfn_t* out, unsigned count, uint64_t* exchanged,
                 uint16_t domid = DOMID_SELF) {
  xen_memory_exchange_t e{};
  e.in.extent_start.p = in;
  e.in.nr_extents = count;
  e.in.domid = domid;
  e.out.extent_start.p = out;
  e.out.nr_extents = count;
  e.out.domid = domid;
  const int64_t result = b.call(__HYPERVISOR_memory_op, XENMEM_exchange, Book::address(e));
  *exchanged = e.nr_exchanged;
  return result;
}

template <typename Book>
void exchange_rules(Book& b) {
  const pfn_t first = b.page(), second = b.page(), mapped = b.page(), l1 = b.table(1);
  b.write(first, 3, 42);
  uint64_t exchanged = 99;
  xen_pfn_t in[2] = {b.mfn(mapped)}, out[2] = {mapped.raw()};
  b.says("exchange.mapped", exchange(b, in, out, 1, &exchanged));
  b.says("exchange.mapped.exchanged", exchanged);
  in[0] = b.mfn(l1);
  b.says("exchange.table", exchange(b, in, out, 1, &exchanged));
  in[0] = kNoSuchMfn;
  b.says("exchange.no_such_frame", exchange(b, in, out, 1, &exchanged));

  b.remap(first, 0);
  b.remap(second, 0);
  const uint64_t old_mfn = b.mfn(first);
  in[0] = old_mfn;
  in[1] = b.mfn(mapped);
  out[0] = first.raw();
  out[1] = mapped.raw();
  b.says("exchange.one_of_two", exchange(b, in, out, 2, &exchanged));
  b.says("exchange.one_of_two.exchanged", exchanged);
  b.reads("exchange.one_of_two.is_another", out[0] != first.raw() && out[0] != old_mfn);
  b.reads("exchange.m2p", b.m2p(out[0]) == first.raw());
  b.reads("exchange.the_other_is_as_it_was", out[1] == mapped.raw());
  b.says("exchange.old_frame", b.update_va(b.va(first), old_mfn << kPageShift | kKernelReadWrite));
  b.says("exchange.new_frame", b.update_va(b.va(first), out[0] << kPageShift | kKernelReadWrite));
  __set_phys_to_machine(first.raw(), out[0]);
  b.write(first, 3, 43);
  b.reads("exchange.new_frame.reads", b.read(first, 3));

  in[0] = in[1] = b.mfn(second);
  b.says("exchange.twice_the_same", exchange(b, in, out, 2, &exchanged));
  b.says("exchange.of_domain_0", exchange(b, in, out, 1, &exchanged, 0));
  b.says("exchange.of_nobody", exchange(b, in, out, 1, &exchanged, kNoSuchDomain));
  b.says("exchange.none", exchange(b, in, out, 0, &exchanged));
  xen_memory_exchange_t uneven{};
  uneven.in.extent_start.p = in;
  uneven.in.nr_extents = 2;
  uneven.in.domid = uneven.out.domid = DOMID_SELF;
  uneven.out.extent_start.p = out;
  uneven.out.nr_extents = 1;
  const auto again = [&](const char* name) {
    b.says(name, b.call(__HYPERVISOR_memory_op, XENMEM_exchange, Book::address(uneven)));
  };
  again("exchange.two_for_one");
  uneven.in.nr_extents = 1;
  uneven.nr_exchanged = 2;
  again("exchange.more_done_than_asked");
  uneven.nr_exchanged = 0;
  uneven.in.extent_order = uneven.out.extent_order = 20;
  again("exchange.too_large");
}

template <typename Book>
void reservation_rules(Book& b) {
  const pfn_t page = b.page(), l1 = b.table(1);
  xen_pfn_t extent = b.mfn(page);
  xen_memory_reservation_t r{};
  r.extent_start.p = &extent;
  r.nr_extents = 1;
  r.domid = DOMID_SELF;
  const auto op = [&](unsigned command) {
    return b.call(__HYPERVISOR_memory_op, command, Book::address(r));
  };
  const uint16_t self = DOMID_SELF, domain_0 = 0, nobody = kNoSuchDomain;
  const auto figure = [&](unsigned command, const uint16_t& domid) {
    return b.call(__HYPERVISOR_memory_op, command, Book::address(domid));
  };
  const int64_t before = figure(XENMEM_current_reservation, self);
  b.remap(page, 0);
  b.says("memory.decrease", op(XENMEM_decrease_reservation));
  b.says("memory.decrease_again", op(XENMEM_decrease_reservation));
  b.says("memory.is_less_by", before - figure(XENMEM_current_reservation, self));
  b.says("memory.gone", b.update_va(b.va(page), extent << kPageShift | kKernelReadWrite));
  extent = page.raw();
  b.says("memory.populate", op(XENMEM_populate_physmap));
  b.reads("memory.m2p", b.m2p(extent) == page.raw());
  b.says("memory.map", b.update_va(b.va(page), extent << kPageShift | kKernelReadWrite));
  __set_phys_to_machine(page.raw(), extent);
  extent = kNoSuchMfn;
  b.says("memory.decrease_no_such_frame", op(XENMEM_decrease_reservation));
  // A frame that somebody still maps or types stays until that ends, but is the domain's allocation
  // no more.
  extent = b.mfn(l1);
  b.says("memory.decrease_table", op(XENMEM_decrease_reservation));
  b.says("memory.decrease_table_again", op(XENMEM_decrease_reservation));
  r.domid = 0;
  b.says("memory.decrease_of_domain_0", op(XENMEM_decrease_reservation));
  b.says("memory.populate_of_domain_0", op(XENMEM_populate_physmap));
  r.domid = DOMID_SELF;
  r.extent_order = 12;
  b.says("memory.populate_too_large", op(XENMEM_populate_physmap));
  r.extent_order = 0;
  r.nr_extents = 0;
  b.says("memory.populate_none", op(XENMEM_populate_physmap));

  b.says("memory.current_of_domain_0", figure(XENMEM_current_reservation, domain_0));
  b.says("memory.current_of_nobody", figure(XENMEM_current_reservation, nobody));
  b.says("memory.maximum_of_domain_0", figure(XENMEM_maximum_reservation, domain_0));
  xen_pfn_t frame = 0;
  xen_machphys_mfn_list_t list{};
  list.max_extents = 1;
  list.extent_start.p = &frame;
  b.says("memory.list_of_the_m2p",
         b.call(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, Book::address(list)));
  b.says("memory.list_of_the_m2p.extents", list.nr_extents);
  list.nr_extents = 99;
  b.says("memory.list_of_the_narrow_m2p",
         b.call(__HYPERVISOR_memory_op, XENMEM_machphys_compat_mfn_list, Book::address(list)));
  b.says("memory.unknown", b.call(__HYPERVISOR_memory_op, 60, 0));
  xen_machphys_mapping_t mapping{};
  b.says("memory.m2p_mapping",
         b.call(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, Book::address(mapping)));
  b.reads("memory.m2p_mapping.start", mapping.v_start);
  b.reads("memory.m2p_mapping.end", mapping.v_end);
}

// mmuext_op of a guest on itself, beside what pins.
template <typename Book>
void extended_rules(Book& b) {
  const pfn_t data = b.page(), source = b.page(), l1 = b.table(1), l2 = b.page();
  const uint64_t every_vcpu = ~uint64_t{0};
  b.says("ext.same_base", b.ext(MMUEXT_NEW_BASEPTR, b.mfn(b.half().core.init_pgd)));
  b.says("ext.base_no_table", b.ext(MMUEXT_NEW_BASEPTR, b.mfn(data)));
  b.says("ext.base_l1", b.ext(MMUEXT_NEW_BASEPTR, b.mfn(l1)));
  b.says("ext.base_no_such_frame", b.ext(MMUEXT_NEW_BASEPTR, kNoSuchMfn));
  b.says("ext.user_base_none", b.ext(MMUEXT_NEW_USER_BASEPTR, 0));
  b.says("ext.user_base_no_table", b.ext(MMUEXT_NEW_USER_BASEPTR, b.mfn(data)));
  b.says("ext.flush_here", b.ext(MMUEXT_TLB_FLUSH_LOCAL));
  b.says("ext.invalidate_here", b.ext(MMUEXT_INVLPG_LOCAL, b.hole));
  b.says("ext.invalidate_not_canonical", b.ext(MMUEXT_INVLPG_LOCAL, kNotCanonical));
  b.says("ext.flush_everywhere", b.ext(MMUEXT_TLB_FLUSH_ALL));
  b.says("ext.invalidate_everywhere", b.ext(MMUEXT_INVLPG_ALL, b.hole));
  b.says("ext.flush_some", b.ext(MMUEXT_TLB_FLUSH_MULTI, 0, Book::address(every_vcpu)));
  b.says("ext.invalidate_some", b.ext(MMUEXT_INVLPG_MULTI, b.hole, Book::address(every_vcpu)));
  b.says("ext.flush_by_a_bad_list", b.ext(MMUEXT_TLB_FLUSH_MULTI, 0, kXensAddress));
  b.says("ext.invalidate_by_a_bad_list", b.ext(MMUEXT_INVLPG_MULTI, b.hole, kXensAddress));
  b.says("ext.flush_cache", b.ext(MMUEXT_FLUSH_CACHE));
  b.says("ext.flush_all_caches", b.ext(MMUEXT_FLUSH_CACHE_GLOBAL));
  b.write(source, 9, 77);
  b.says("ext.copy", b.ext(MMUEXT_COPY_PAGE, b.mfn(data), b.mfn(source)));
  b.reads("ext.copy.reads", b.read(data, 9));
  b.says("ext.copy_to_table", b.ext(MMUEXT_COPY_PAGE, b.mfn(l1), b.mfn(source)));
  b.says("ext.copy_from_nowhere", b.ext(MMUEXT_COPY_PAGE, b.mfn(data), kNoSuchMfn));
  b.says("ext.clear", b.ext(MMUEXT_CLEAR_PAGE, b.mfn(data)));
  b.reads("ext.clear.reads", b.read(data, 9));
  b.says("ext.clear_table", b.ext(MMUEXT_CLEAR_PAGE, b.mfn(l1)));
  b.says("ext.mark_super", b.ext(MMUEXT_MARK_SUPER, b.mfn(data)));
  b.says("ext.unknown", b.ext(60));
  b.says("ext.pin_shown_writable", b.ext(MMUEXT_PIN_L2_TABLE, b.mfn(l2)));
  b.remap(l2, kKernelReadOnly);
  b.says("ext.pin", b.ext(MMUEXT_PIN_L2_TABLE, b.mfn(l2)));
  b.says("ext.pin_again", b.ext(MMUEXT_PIN_L2_TABLE, b.mfn(l2)));
  b.says("ext.pinned_shown_writable", b.remap(l2, kKernelReadWrite));
  b.says("ext.unpin", b.ext(MMUEXT_UNPIN_TABLE, b.mfn(l2)));
  b.says("ext.unpin_again", b.ext(MMUEXT_UNPIN_TABLE, b.mfn(l2)));
  b.says("ext.unpinned_shown_writable", b.remap(l2, kKernelReadWrite));
  b.says("ext.of_domain_0", b.ext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, 0));
  b.says("ext.of_nobody", b.ext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, kNoSuchDomain));
  const abi::mmuext_op ops[] = {{MMUEXT_TLB_FLUSH_LOCAL, 0, 0, 0},
                                {MMUEXT_UNPIN_TABLE, 0, b.mfn(data), 0},
                                {MMUEXT_TLB_FLUSH_LOCAL, 0, 0, 0}};
  uint32_t done = 99;
  b.says("ext.batch",
         b.call(__HYPERVISOR_mmuext_op, Book::address(ops), 3, Book::address(done), DOMID_SELF));
  b.says("ext.batch.done", done);
}

template <typename Book>
void descriptor_rules(Book& b) {
  constexpr uint64_t kCode = 0x00affb000000ffff, kCallGate = 0x00008c0000000000,
                     kRing0 = 0x00af9b000000ffff;
  const pfn_t gdt = b.page(), writable = b.page(), bad = b.page(), ldt = b.page();
  const auto set_gdt = [&](pfn_t pfn, unsigned entries) {
    const uint64_t frame = b.mfn(pfn);
    return b.call(__HYPERVISOR_set_gdt, Book::address(frame), entries);
  };
  const auto describe = [&](uint64_t maddr, uint64_t descriptor) {
    return b.call(__HYPERVISOR_update_descriptor, maddr, descriptor);
  };
  b.write(gdt, 1, kCode);
  b.write(bad, 1, kCallGate);
  b.says("gdt.shown_writable", set_gdt(writable, 512));
  b.remap(gdt, kKernelReadOnly);
  b.remap(bad, kKernelReadOnly);
  b.says("gdt.with_a_call_gate", set_gdt(bad, 512));
  b.says("gdt.set", set_gdt(gdt, 512));
  b.says("gdt.then_shown_writable", b.remap(gdt, kKernelReadWrite));
  b.says("gdt.too_many", set_gdt(gdt, 512 * 14 + 1));
  const uint64_t nowhere = kNoSuchMfn;
  b.says("gdt.no_such_frame", b.call(__HYPERVISOR_set_gdt, Book::address(nowhere), 1));
  b.says("gdt.describe", describe(b.maddr(gdt, 2), kCode));
  b.reads("gdt.describe.reads", b.read(gdt, 2));
  b.says("gdt.describe_ring_0", describe(b.maddr(gdt, 3), kRing0));
  b.reads("gdt.describe_ring_0.reads", b.read(gdt, 3));
  b.says("gdt.describe_call_gate", describe(b.maddr(gdt, 4), kCallGate));
  b.says("gdt.describe_unaligned", describe(b.maddr(gdt, 4) + 4, kCode));
  b.says("gdt.describe_plain_page", describe(b.maddr(writable, 5), kCode));
  b.reads("gdt.describe_plain_page.reads", b.read(writable, 5));
  b.says("gdt.describe_nowhere", describe(kNoSuchMfn << kPageShift, kCode));
  b.says("gdt.none", b.call(__HYPERVISOR_set_gdt, 0, 0));
  b.says("gdt.then_free", b.remap(gdt, kKernelReadWrite));

  b.says("ldt.unaligned", b.ext(MMUEXT_SET_LDT, b.va(ldt) + 8, 512));
  b.says("ldt.too_many", b.ext(MMUEXT_SET_LDT, b.va(ldt), 8193));
  b.says("ldt.of_xen", b.ext(MMUEXT_SET_LDT, kXensAddress, 512));
  b.says("ldt.not_canonical", b.ext(MMUEXT_SET_LDT, kNotCanonical, 512));
  b.says("ldt.set", b.ext(MMUEXT_SET_LDT, b.va(ldt), 512));
  // Xen looks at its pages when a selector is loaded, not before.
  b.says("ldt.still_shown_writable", b.remap(ldt, kKernelReadWrite));
  b.says("ldt.nothing_mapped", b.ext(MMUEXT_SET_LDT, b.hole & ~(kPageSize - 1), 1));
  b.says("ldt.none", b.ext(MMUEXT_SET_LDT, 0, 0));
}

}  // namespace ferry
