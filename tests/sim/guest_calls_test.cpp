// What a guest does on the machine: memory through its page tables, the dirty log, its own
// hypercalls, grants, events.
#include <gtest/gtest.h>

#include "sim/builder/guest_builder.h"
#include "sim/machine/event_channels.h"
#include "sim/machine/guest_access.h"
#include "sim/machine/hypercall.h"
#include "sim/machine/pte.h"

namespace ferry::sim {
namespace {

class Guest : public ::testing::Test {
 protected:
  void SetUp() override {
    host_ = Host::create({.seed = 9, .frames = 4096});
    spec_.pages = 400;
    spec_.ballooned_percent = 0;
    spec_.processes = 1;
    spec_.suspended = false;
    guest_ = build_guest(*host_, spec_);
    domain_ = host_->find_domain(guest_.domid);
  }

  long call(Caller caller, unsigned op, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0,
            uint64_t a4 = 0) {
    const uint64_t args[5] = {a1, a2, a3, a4, 0};
    return hypercall(*host_, caller, op, args);
  }
  long guest_call(unsigned op, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0, uint64_t a4 = 0) {
    return call({guest_.domid, 0}, op, a1, a2, a3, a4);
  }
  static uint64_t at(uint64_t pfn) { return ScratchGuest::kKernelMap + (pfn << kPageShift); }
  static uint64_t address(const void* p) { return reinterpret_cast<uint64_t>(p); }
  uint64_t find(Role role) const {
    for (uint64_t pfn = 0; pfn < guest_.roles.size(); ++pfn)
      if (guest_.roles[pfn] == role) return pfn;
    return 0;
  }
  // The L1 page and slot behind a kernel address.
  uint64_t l1_of(uint64_t va) {
    mfn_t table(domain_->vcpus[0].guest_table);
    for (unsigned level = 4; level > 1; --level)
      table = pte_mfn(host_->entries(table)[slot_of(va, level)]);
    return host_->m2p(table);
  }
  long shadow(uint32_t op, uint64_t* bits = nullptr) {
    xen_domctl d{};
    d.cmd = XEN_DOMCTL_shadow_op;
    d.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    d.domain = guest_.domid;
    d.u.shadow_op.op = op;
    d.u.shadow_op.pages = bits ? 512 : 0;
    d.u.shadow_op.dirty_bitmap.p = reinterpret_cast<decltype(d.u.shadow_op.dirty_bitmap.p)>(bits);
    return call({}, __HYPERVISOR_domctl, address(&d));
  }
  bool dirty(uint64_t pfn) {
    uint64_t bits[8] = {};
    EXPECT_EQ(shadow(XEN_DOMCTL_SHADOW_OP_CLEAN, bits), 0);
    return bits[pfn / 64] >> (pfn % 64) & 1;
  }

  GuestSpec spec_;
  std::unique_ptr<Host> host_;
  ScratchGuest guest_;
  Domain* domain_ = nullptr;
};

TEST_F(Guest, ReadsAndWritesItsMemoryThroughItsPageTables) {
  const uint64_t pfn = find(Role::data), value = 0x1122334455667788;
  ASSERT_TRUE(guest_write(*host_, *domain_, 0, at(pfn) + 16, &value, 8).ok);
  uint64_t got = 0;
  ASSERT_TRUE(guest_read(*host_, *domain_, 0, at(pfn) + 16, &got, 8).ok);
  EXPECT_EQ(got, value);
  EXPECT_EQ(host_->entries(mfn_t(guest_.p2m[pfn]))[2], value);
}

TEST_F(Guest, FaultsWhereNothingIsMappedAndWhereItMayNotWrite) {
  uint64_t word = 0;
  const AccessResult missing = guest_read(*host_, *domain_, 0, 0x7f0000001234, &word, 8);
  EXPECT_FALSE(missing.ok);
  EXPECT_EQ(missing.cr2, 0x7f0000001234u);
  EXPECT_EQ(missing.error_code & kFaultPresent, 0u);
  const AccessResult readonly = guest_write(*host_, *domain_, 0, at(find(Role::gdt)), &word, 8);
  EXPECT_FALSE(readonly.ok);
  EXPECT_EQ(readonly.error_code & (kFaultPresent | kFaultWrite), kFaultPresent | kFaultWrite);
}

TEST_F(Guest, StoresToItsL1TablesAreValidatedLikeHypercalls) {
  const uint64_t pfn = find(Role::data), l1 = l1_of(at(pfn));
  const uint64_t slot = at(l1) + slot_of(at(pfn), 1) * 8;
  uint64_t entry = make_pte(mfn_t(guest_.p2m[pfn]), kPtePresent | kPteNx);
  EXPECT_TRUE(guest_write(*host_, *domain_, 0, slot, &entry, 8).ok);
  entry = make_pte(mfn_t(guest_.p2m[l1]), kPtePresent | kPteRw | kPteNx);  // a table, writable
  EXPECT_FALSE(guest_write(*host_, *domain_, 0, slot, &entry, 8).ok);
  const uint64_t l4_slot = at(guest_.kernel_l4) + 8;
  EXPECT_FALSE(guest_write(*host_, *domain_, 0, l4_slot, &entry, 8).ok);  // only L1s are emulated
}

TEST_F(Guest, TheDirtyLogHoldsItsWritesAndTableChangesAndNothingElse) {
  const uint64_t pfn = find(Role::data);
  EXPECT_EQ(shadow(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), 0);
  EXPECT_EQ(shadow(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), -EINVAL);
  EXPECT_FALSE(dirty(pfn));
  uint64_t word = 5;
  guest_read(*host_, *domain_, 0, at(pfn), &word, 8);
  EXPECT_FALSE(dirty(pfn));
  guest_write(*host_, *domain_, 0, at(pfn), &word, 8);
  EXPECT_TRUE(dirty(pfn));
  EXPECT_FALSE(dirty(pfn));                     // the log was read and cleared
  host_->page(mfn_t(guest_.p2m[pfn]))[0] ^= 1;  // as domain 0 writes through a foreign mapping
  EXPECT_FALSE(dirty(pfn));
  const uint64_t l1 = l1_of(at(pfn));
  EXPECT_EQ(guest_call(__HYPERVISOR_update_va_mapping, at(pfn), 0, UVMF_INVLPG), 0);
  EXPECT_TRUE(dirty(l1));
  EXPECT_EQ(shadow(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(Guest, MayNotTouchOthersNorItsOwnTablesTheWrongWay) {
  const uint64_t pfn = find(Role::data);
  EXPECT_EQ(guest_call(__HYPERVISOR_update_va_mapping, 0x7f0000001000, 0, 0), -EINVAL);
  mmu_update_t update{guest_.p2m[guest_.kernel_l4] << kPageShift | 256 * 8, 0};
  EXPECT_EQ(guest_call(__HYPERVISOR_mmu_update, address(&update), 1, 0, DOMID_SELF), -EINVAL);
  mmuext_op_t op{};
  op.cmd = MMUEXT_PIN_L1_TABLE;
  op.arg1.mfn = guest_.p2m[pfn];  // mapped writable by the kernel
  EXPECT_EQ(guest_call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, DOMID_SELF), -EINVAL);
  EXPECT_EQ(guest_call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, 0), -EPERM);
  xen_domctl d{};
  d.cmd = XEN_DOMCTL_pausedomain;
  d.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  EXPECT_EQ(guest_call(__HYPERVISOR_domctl, address(&d)), -EPERM);
}

TEST_F(Guest, SwitchesAddressSpacesAndKeepsTheirTypes) {
  const uint64_t process_l4 = guest_.pinned[1], user_l4 = guest_.pinned[2];
  mmuext_op_t ops[2] = {};
  ops[0].cmd = MMUEXT_NEW_BASEPTR;
  ops[0].arg1.mfn = guest_.p2m[process_l4];
  ops[1].cmd = MMUEXT_NEW_USER_BASEPTR;
  ops[1].arg1.mfn = guest_.p2m[user_l4];
  EXPECT_EQ(guest_call(__HYPERVISOR_mmuext_op, address(ops), 2, 0, DOMID_SELF), 0);
  EXPECT_EQ(domain_->vcpus[0].guest_table, guest_.p2m[process_l4]);
  EXPECT_EQ(domain_->vcpus[0].guest_table_user, guest_.p2m[user_l4]);
  EXPECT_EQ(host_->frame(mfn_t(guest_.p2m[user_l4])).type_count, 2u);  // pinned and loaded
  ops[1].arg1.mfn = 0;
  EXPECT_EQ(guest_call(__HYPERVISOR_mmuext_op, address(ops + 1), 1, 0, DOMID_SELF), 0);
  EXPECT_EQ(host_->frame(mfn_t(guest_.p2m[user_l4])).type_count, 1u);
}

TEST_F(Guest, MapsWhatAnotherDomainGrantsAndGivesItBack) {
  GuestSpec other_spec = spec_;
  other_spec.seed = 77;
  const ScratchGuest other = build_guest(*host_, other_spec);
  Domain& granter = *host_->find_domain(other.domid);
  uint64_t page = 0;
  while (other.roles[page] != Role::data) ++page;
  auto* entries = reinterpret_cast<grant_entry_v1_t*>(host_->page(mfn_t(granter.grants.mfns[0])));
  entries[9] = {GTF_permit_access, guest_.domid, static_cast<uint32_t>(other.p2m[page])};

  const uint64_t va = at(find(Role::data));
  gnttab_map_grant_ref_t map{};
  map.host_addr = va;
  map.flags = GNTMAP_host_map;
  map.ref = 9;
  map.dom = other.domid;
  ASSERT_EQ(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, address(&map), 1), 0);
  ASSERT_EQ(map.status, GNTST_okay);
  EXPECT_EQ(entries[9].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
  const uint64_t value = 0xabcdef;
  ASSERT_TRUE(guest_write(*host_, *domain_, 0, va, &value, 8).ok);
  EXPECT_EQ(host_->entries(mfn_t(other.p2m[page]))[0], value);

  gnttab_unmap_grant_ref_t unmap{};
  unmap.host_addr = va;
  unmap.handle = map.handle;
  ASSERT_EQ(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, address(&unmap), 1),
            0);
  EXPECT_EQ(unmap.status, GNTST_okay);
  EXPECT_EQ(entries[9].flags & (GTF_reading | GTF_writing), 0);
  EXPECT_FALSE(guest_write(*host_, *domain_, 0, va, &value, 8).ok);
}

TEST_F(Guest, GetsEventsInItsSharedInfo) {
  evtchn_alloc_unbound_t alloc{};
  alloc.dom = guest_.domid;
  ASSERT_EQ(call({}, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(&alloc)), 0);
  evtchn_bind_interdomain_t bind{};
  bind.remote_dom = guest_.domid;
  bind.remote_port = alloc.port;
  ASSERT_EQ(call({}, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, address(&bind)), 0);
  EXPECT_FALSE(is_pending(*host_, *domain_, alloc.port));
  evtchn_send_t send{bind.local_port};
  ASSERT_EQ(call({}, __HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send)), 0);
  EXPECT_TRUE(is_pending(*host_, *domain_, alloc.port));
}

TEST_F(Guest, StopsOnceAndForTheFirstReason) {
  sched_shutdown_t reason{SHUTDOWN_suspend};
  EXPECT_EQ(guest_call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason)), 0);
  reason.reason = SHUTDOWN_crash;
  EXPECT_EQ(guest_call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason)), 0);
  EXPECT_EQ(domain_->shutdown_code, static_cast<uint32_t>(SHUTDOWN_suspend));
}

}  // namespace
}  // namespace ferry::sim
