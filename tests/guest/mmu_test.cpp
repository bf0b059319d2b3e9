// Page-table writes: conversion of entries, modify_prot, set_pte_mfn, both L4s, early forms.
#include "guest/mmu.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/address_space.h"

namespace ferry {
namespace {

const std::vector<p2m_form> kForms = {p2m_form::tree, p2m_form::list};

TEST(PteValue, an_own_frame_survives_the_way_to_xen_and_back_with_all_flags) {
  for (p2m_form form : kForms) {
    TestGuest g(1, form);
    g.booted();
    EXPECT_TRUE(rc::check([&] {
      const uint64_t pfn = *rc::gen::inRange<uint64_t>(0, 700);
      const uint64_t flags = (*rc::gen::arbitrary<uint64_t>() & kPteFlagMask) | kPtePresent;
      const uint64_t value = g.g.core.make_pte_value(pfn << 12 | flags);
      RC_ASSERT(value == (g.kernel.mfn(pfn) << 12 | flags));
      RC_ASSERT(g.g.core.pte_val(value) == (pfn << 12 | flags));
    }));
  }
}

TEST(PteValue, a_foreign_frame_reads_as_nothing_and_a_missing_pfn_writes_as_nothing) {
  TestGuest g;
  g.booted();
  for (uint64_t mfn = 0; mfn < g.xen.nr_frames(); ++mfn) {
    if (g.xen.frame(mfn).owner == FakeXen::guest) continue;
    EXPECT_EQ(g.g.core.pte_val(mfn << 12 | 0x8010000000000067), 0x8010000000000066) << mfn;
  }
  EXPECT_EQ(g.g.core.pte_val(0xffffffffffull << 12 | 1), 0u);
  EXPECT_EQ(g.g.core.make_pte_value(700ull << 12 | 0x67), 0u);
  uint64_t theirs = 1;
  while (g.xen.frame(theirs).owner != FakeXen::other_domain) ++theirs;
  ASSERT_TRUE(g.g.core.p2m.try_set(pfn_t(500), foreign_frame(mfn_t(theirs))));
  EXPECT_EQ(g.g.core.make_pte_value(500ull << 12 | 0x67), theirs << 12 | 0x67);
  EXPECT_EQ(g.g.core.pte_val(theirs << 12 | 0x67), 0x66u) << "frames of others do not come back";
}

TEST(ModifyProt, start_stores_nothing_and_asks_nothing) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  space.map(0x1000, true);
  const uint64_t at = space.pte_address(0x1000);
  const uint64_t stores = g.kernel.stores, calls = g.xen.calls.size();
  EXPECT_EQ(g.g.tables.modify_prot_start(at), g.kernel.load(at));
  EXPECT_EQ(g.kernel.stores, stores);
  EXPECT_EQ(g.xen.calls.size(), calls);
}

// The CPU may set A and D at any time between start and commit, and right before Xen's exchange.
TEST(ModifyProt, accessed_and_dirty_are_gained_but_never_lost) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  space.map(0x1000, true);
  g.g.pins.pin(space.pgd());
  const uint64_t entry = space.pte_address(0x1000);
  for (bool lazy : {false, true}) {
    for (uint64_t cpu_sets : {uint64_t{0}, kPteAccessed, kPteDirty, kPteAccessed | kPteDirty}) {
      for (uint64_t we_set : {uint64_t{0}, kPteAccessed, kPteDirty}) {
        for (uint64_t rw : {uint64_t{0}, kPteRw}) {
          g.g.tables.set_pte(entry, g.g.core.make_pte_value(600ull << 12 | kUserFlags));
          if (lazy) g.g.core.calls.enter_lazy(lazy_mode::mmu);
          const uint64_t old = g.g.tables.modify_prot_start(entry);
          g.xen.before_update = [&](uint64_t& e) { e |= cpu_sets; };
          g.g.tables.modify_prot_commit(entry, (old & ~kPteRw) | rw | we_set);
          if (lazy) g.g.core.calls.leave_lazy(lazy_mode::mmu);
          g.xen.before_update = nullptr;
          EXPECT_EQ(g.kernel.load(entry), (old & ~kPteRw) | rw | we_set | cpu_sets);
        }
      }
    }
  }
  EXPECT_EQ(g.g.core.calls.failures(), 0u);
}

TEST(SetPteMfn, installs_a_machine_frame_as_it_is_and_clears_with_nothing) {
  TestGuest g;
  g.booted();
  g.g.tables.set_pte_mfn(kFixmap, mfn_t(g.kernel.shared_info_mfn()), kPtePresent | kPteRw);
  EXPECT_EQ(g.kernel.load(kFixmap), 0x100u) << "shared_info, whose frame is in no p2m";
  g.g.tables.set_pte_mfn(kFixmap, mfn_t(0), 0);
  EXPECT_THROW(g.kernel.load(kFixmap), GuestFault);
  EXPECT_EQ(g.g.core.map.l1_entry(kFixmap), 0u);
}

TEST(SetPteMfn, leaves_out_what_a_guest_without_devices_may_not_have) {
  TestGuest g;
  g.booted();
  const uint64_t wanted = kPtePresent | kPteRw | kPteGlobal | kPtePwt | kPtePcd | kPtePat;
  g.g.tables.set_pte_mfn(kFixmap, mfn_t(g.kernel.mfn(600)), wanted);
  EXPECT_EQ(g.g.core.map.l1_entry(kFixmap) & (wanted | kPteUser), kPtePresent | kPteRw | kPteUser);
  g.g.core.devices = g.xen.guest_has_devices = true;
  g.g.tables.set_pte_mfn(kFixmap, mfn_t(g.kernel.mfn(600)), wanted);
  EXPECT_EQ(g.g.core.map.l1_entry(kFixmap) & wanted, wanted & ~kPteGlobal);
}

TEST(SetPteMfn, is_a_bug_where_there_is_no_table) {
  TestGuest g;
  g.booted();
  EXPECT_THROW(g.g.tables.set_pte_mfn(0xffffe00000000000, mfn_t(1), 1), GuestCrash);
}

TEST(EarlyForms, build_and_take_down_a_table_at_once) {
  TestGuest g;
  g.booted();
  g.g.core.struct_pages = false;
  pfn_t l1;
  ASSERT_TRUE(g.kernel.alloc_page(l1));
  fill_page(g.kernel, g.kernel.va_of(l1), 0);
  g.g.tables.alloc_table_init(l1, PT_PTE);
  EXPECT_EQ(g.xen.frame(g.kernel.mfn(l1.raw())).type, FakeXen::l1);
  const uint64_t l2_entry = g.g.core.map.entry_address(kFixmap + (uint64_t{1} << 21), PT_PMD);
  g.g.tables.set_table_entry_init(l2_entry, g.g.core.make_pte_value(l1.raw() << 12 | kTableFlags));
  // Read-only and in use: the store is emulated.
  const uint64_t va = kFixmap + (uint64_t{1} << 21) + 0x3000;
  g.g.tables.set_pte_init(g.kernel.va_of(l1) + 8 * 3, g.g.core.make_pte_value(600ull << 12 | 0x63));
  EXPECT_EQ(g.kernel.load(va), g.kernel.memory(600)[0]);
  g.g.tables.set_early_table(g.kernel.va_of(l1));
  const size_t calls = g.xen.calls.size();
  g.g.tables.set_pte_init(g.kernel.va_of(l1) + 8 * 3, 0);
  EXPECT_EQ(g.xen.calls.size(), calls + 1) << "a table for early mappings goes by hypercall";
  EXPECT_THROW(g.kernel.load(va), GuestFault);
  g.g.tables.set_table_entry_init(l2_entry, 0);
  g.g.tables.release_table_init(l1, PT_PTE);
  EXPECT_TRUE(g.kernel.try_store(g.kernel.va_of(l1), 5));
}

TEST(EarlyForms, write_cr3_leaves_user_mode_without_tables) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  g.g.pins.pin(space.pgd());
  g.g.tables.write_cr3(space.pgd());
  EXPECT_NE(g.xen.cpu(0).user_cr3, 0u);
  EXPECT_EQ(g.g.tables.read_cr3(), space.pgd());
  g.g.tables.write_cr3(g.g.core.init_pgd);
  EXPECT_EQ(g.xen.cpu(0).user_cr3, 0u);
  g.g.core.struct_pages = false;
  g.g.tables.write_cr3_init(g.g.core.init_pgd);
  EXPECT_EQ(g.g.tables.current_cr3(0), g.g.core.init_pgd);
}

}  // namespace
}  // namespace ferry
