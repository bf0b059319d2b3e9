// mmu_update: entries of validated tables, of plain pages, and the M2P.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr uint64_t kTable = Scratch::kTable, kReadOnly = Scratch::kReadOnly;
constexpr uint64_t kFlagsOnly = ~(((uint64_t{1} << 40) - 1) << 12);

void l1_entries(Xen& xen) {
  Scratch d(xen), other(xen);
  xen.report("update.l1.pin", d.pin(1, 0));
  xen.report("update.l1.writable_data", d.update(0, 1, d.to(5, kTable)));
  xen.report("update.l1.reads", d.read(0, 1) & kFlagsOnly);
  xen.report("update.l1.kernel_page", d.update(0, 2, d.to(5, 0x63)));
  xen.report("update.l1.kernel_reads", d.read(0, 2) & kFlagsOnly);
  xen.report("update.l1.bad_flags", d.update(0, 3, d.to(5, kTable | 1 << 4)));
  xen.report("update.l1.itself_writable", d.update(0, 3, d.to(0, kTable)));
  xen.report("update.l1.itself_readonly", d.update(0, 3, d.to(0, kReadOnly)));
  xen.report("update.l1.another_domain", d.update(0, 4, other.to(0, kReadOnly)));
  xen.report("update.l1.no_such_frame", d.update(0, 4, 0xffffffffeull << 12 | kReadOnly));
  xen.report("update.l1.not_present", d.update(0, 4, 0x1234 << 12 | 0x800));
  xen.report("update.l1.not_present_reads", d.read(0, 4));

  // The writable entries hold page 5; when both are gone it can become a table.
  xen.report("update.l1.pin_mapped_data", d.pin(1, 5));
  xen.report("update.l1.to_readonly", d.update(0, 1, d.to(5, kReadOnly)));
  xen.report("update.l1.pin_still_mapped", d.pin(1, 5));
  xen.report("update.l1.clear", d.update(0, 2, 0));
  xen.report("update.l1.pin_now", d.pin(1, 5));
  xen.report("update.l1.to_writable_again", d.update(0, 1, d.to(5, kTable)));
  // Flags that need no new look at the frame.
  xen.report("update.l1.fast_avail", d.update(0, 1, d.to(5, kReadOnly | 7 << 9)));
  xen.report("update.l1.fast_reads", d.read(0, 1) & kFlagsOnly);
}

void preserve_ad(Xen& xen) {
  Scratch d(xen);
  d.write(0, {{1, d.to(5, 0x67)}});
  xen.report("update.preserve.pin", d.pin(1, 0));
  xen.report("update.preserve.drop_write", d.update(0, 1, d.to(5, 0x5), MMU_PT_UPDATE_PRESERVE_AD));
  xen.report("update.preserve.reads", d.read(0, 1) & kFlagsOnly);
  xen.report("update.preserve.clear", d.update(0, 1, 0, MMU_PT_UPDATE_PRESERVE_AD));
  xen.report("update.preserve.clear_reads", d.read(0, 1) & kFlagsOnly);
  xen.report("update.plain.drop", d.update(0, 2, d.to(5, 0x67)));
  xen.report("update.plain.drop_ad", d.update(0, 2, d.to(5, 0x5)));
  xen.report("update.plain.reads", d.read(0, 2) & kFlagsOnly);
  xen.report("update.no_translate", d.update(0, 3, d.to(5, 0x5), MMU_PT_UPDATE_NO_TRANSLATE));
}

void upper_entries(Xen& xen) {
  for (unsigned level = 2; level <= 4; ++level) {
    const std::string name = "update.l" + std::to_string(level);
    Scratch d(xen);
    xen.report(name + ".pin", d.pin(level, 0));
    xen.report(name + ".link", d.update(0, 1, d.to(1, kTable)));
    xen.report(name + ".lower_type", d.type(1));
    xen.report(name + ".reads", d.read(0, 1) & kFlagsOnly);
    xen.report(name + ".bit7", d.update(0, 2, d.to(2, kTable | 1 << 7)));
    xen.report(name + ".global", d.update(0, 2, d.to(2, kTable | 1 << 8)));
    xen.report(name + ".same_again", d.update(0, 1, d.to(1, kTable)));
    xen.report(name + ".drop_write", d.update(0, 1, d.to(1, kReadOnly)));
    xen.report(name + ".replace", d.update(0, 1, d.to(2, kTable)));
    xen.report(name + ".old_lower_type", d.type(1));
    xen.report(name + ".clear", d.update(0, 1, 0));
    xen.report(name + ".new_lower_type", d.type(2));
    xen.report(name + ".self_readonly", d.update(0, 3, d.to(0, kReadOnly)));
    xen.report(name + ".self_writable", d.update(0, 3, d.to(0, kTable)));
    xen.report(name + ".no_such_frame", d.update(0, 4, 0xffffffffeull << 12 | kTable));
    Mapped writable(xen, d.id(), {d.mfn(6)}, PROT_READ | PROT_WRITE);
    xen.report(name + ".link_mapped_writable", d.update(0, 5, d.to(6, kTable)));
  }
  Scratch d(xen);
  xen.report("update.l4_slots.pin", d.pin(4, 0));
  for (const unsigned slot : {255u, 256u, 258u, 271u, 272u})
    xen.report("update.l4_slots." + std::to_string(slot), d.update(0, slot, d.to(1, kTable)));
  xen.report("update.l4_slots.clear_256", d.update(0, 256, 0));
}

void plain_pages(Xen& xen) {
  Scratch d(xen), other(xen);
  xen.report("update.plain_page", d.update(0, 7, 0x123456789abcdef1));
  xen.report("update.plain_page.reads", d.read(0, 7));
  {
    Mapped writable(xen, d.id(), {d.mfn(0)}, PROT_READ | PROT_WRITE);
    xen.report("update.mapped_writable_page", d.update(0, 8, 0x77));
  }
  xen.report("update.not_owned",
             xen.mmu_update((d.id() + 1) << 16 | d.id(), {{other.mfn(0) << 12, 0}}));
  xen.report("update.no_such_page",
             xen.mmu_update((d.id() + 1) << 16 | d.id(), {{0xffffffffeull << 12, 0}}));
}

void subtypes(Xen& xen) {
  Scratch d(xen);
  for (unsigned subtype = 4; subtype < 8; ++subtype)
    xen.report("update.subtype_" + std::to_string(subtype), d.update(0, 0, 0, subtype));
}

void owners(Xen& xen) {
  Scratch d(xen), other(xen);
  Scratch no_vcpu(xen, 2, 0);
  const uint32_t pt = (d.id() + 1) << 16;
  d.pin(1, 0);
  d.pin(2, 1);
  const uint64_t l1 = d.mfn(0) << 12, l2 = d.mfn(1) << 12;
  xen.report("owner.no_frame_domain", xen.mmu_update(pt | 30000, {{l1, 0}}));
  xen.report("owner.no_table_domain", xen.mmu_update(30001u << 16 | d.id(), {{l1, 0}}));
  xen.report("owner.table_domain_without_vcpu",
             xen.mmu_update((no_vcpu.id() + 1) << 16 | no_vcpu.id(), {{no_vcpu.mfn(0) << 12, 0}}));
  xen.report("owner.l1_frame_of_other", xen.mmu_update(pt | other.id(), {{l1, other.to(0, 5)}}));
  xen.report("owner.l1_frame_not_of_other",
             xen.mmu_update(pt | other.id(), {{l1 + 8, d.to(5, 5)}}));
  xen.report("owner.l1_frame_of_self", xen.mmu_update(pt | DOMID_SELF, {{l1 + 16, d.to(5, 5)}}));
  xen.report("owner.l2_self", xen.mmu_update(pt | DOMID_SELF, {{l2, d.to(2, kTable)}}));
  xen.report("owner.l2_other", xen.mmu_update(pt | other.id(), {{l2, 0}}));
  xen.report("owner.none_done", xen.mmu_update(pt | d.id(), {}));
}

void partial(Xen& xen) {
  Scratch d(xen);
  d.pin(1, 0);
  const uint64_t l1 = d.mfn(0) << 12;
  unsigned done = 99;
  xen.report("update.batch", xen.mmu_update((d.id() + 1) << 16 | d.id(),
                                            {{l1, d.to(5, kReadOnly)},
                                             {l1 + 8, d.to(5, kReadOnly | 1 << 3)},
                                             {l1 + 16, d.to(5, kReadOnly)}},
                                            &done));
  xen.report("update.batch.done", done);
  xen.report("update.batch.first", d.read(0, 0) & 1);
  xen.report("update.batch.third", d.read(0, 2) & 1);
}

void machphys(Xen& xen) {
  Scratch d(xen), other(xen);
  const uint64_t at = d.mfn(0) << 12 | MMU_MACHPHYS_UPDATE;
  xen.report("m2p.populated", xen.m2p(d.mfn(7)));
  xen.report("m2p.shared_info", xen.m2p(d.info().shared_info_frame));
  xen.report("m2p.update", xen.mmu_update(d.id(), {{at, 0x4321}}));
  xen.report("m2p.update.reads", xen.m2p(d.mfn(0)));
  xen.report("m2p.update_any_value", xen.mmu_update(d.id(), {{at, 0x123456789abc}}));
  xen.report("m2p.update_any_value.reads", xen.m2p(d.mfn(0)));
  xen.report("m2p.with_table_domain", xen.mmu_update((d.id() + 1) << 16 | d.id(), {{at, 1}}));
  xen.report("m2p.frame_of_another",
             xen.mmu_update(d.id(), {{other.mfn(0) << 12 | MMU_MACHPHYS_UPDATE, 1}}));
  xen.report("m2p.no_such_frame",
             xen.mmu_update(d.id(), {{0xffffffffeull << 12 | MMU_MACHPHYS_UPDATE, 1}}));
  xen.report("m2p.pin_frame", d.pin(1, 0));
  xen.report("m2p.update_of_a_table", xen.mmu_update(d.id(), {{at, 0x55}}));
}

}  // namespace

void mmu_update_cases(Xen& xen) {
  l1_entries(xen);
  preserve_ad(xen);
  upper_entries(xen);
  plain_pages(xen);
  subtypes(xen);
  owners(xen);
  partial(xen);
  machphys(xen);
}

}  // namespace conformance
