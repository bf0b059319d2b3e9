// The order in which a scratch guest comes to be.
#include "sim/builder/guest_builder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "sim/builder/page_content.h"
#include "sim/builder/tables.h"
#include "sim/builder/vcpu_content.h"
#include "sim/machine/domains.h"
#include "sim/machine/hypercall.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kInvalid = ~uint64_t{0};
constexpr uint64_t kIdentity = uint64_t{1} << 62;
constexpr uint64_t kPerLeaf = 512;

// One hypercall of the toolstack or of the guest; anything but success is a mistake of the builder.
long call(Host& host, Caller caller, unsigned op, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0,
          uint64_t a4 = 0) {
  const uint64_t args[5] = {a1, a2, a3, a4, 0};
  HostLock lock(host);
  return hypercall_locked(host, caller, op, args);
}

void must(long rc, const char* what) {
  if (rc < 0)
    fail_errno(Errc::internal, static_cast<int>(-rc), fmt::format("scratch guest: {}", what));
}

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

void domctl(Host& host, uint32_t cmd, DomainNumber domid, xen_domctl& op, const char* what) {
  op.cmd = cmd;
  op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op.domain = domid;
  must(call(host, {}, __HYPERVISOR_domctl, address(&op)), what);
}

DomainNumber create(Host& host, const GuestSpec& spec) {
  xen_domctl op{};
  auto& config = op.u.createdomain;
  config.max_vcpus = spec.vcpus;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  uint64_t seed = spec.seed ^ 0xfe44;
  for (uint8_t& byte : config.handle) byte = static_cast<uint8_t>(next_random(seed));
  domctl(host, XEN_DOMCTL_createdomain, 0, op, "create");
  const DomainNumber domid = op.domain;
  op = {};
  op.u.max_vcpus.max = spec.vcpus;
  domctl(host, XEN_DOMCTL_max_vcpus, domid, op, "vCPUs");
  op = {};
  op.u.max_mem.max_memkb = spec.pages * 4 + 1024;
  domctl(host, XEN_DOMCTL_max_mem, domid, op, "memory limit");
  return domid;
}

// Memory for every pfn but the ballooned ones. Pfn 0 always has some.
void populate(Workshop& shop) {
  ScratchGuest& g = shop.guest();
  g.p2m_entries = g.spec.pages + g.spec.tail;
  g.p2m.assign(g.p2m_entries, kInvalid);
  g.roles.assign(g.p2m_entries, Role::absent);
  g.levels.assign(g.p2m_entries, 0);
  std::vector<xen_pfn_t> pfns;
  uint64_t hole_left = 0;
  for (uint64_t pfn = 0; pfn < g.spec.pages; ++pfn) {
    // Balloons come in single pages and in runs.
    if (hole_left) {
      --hole_left;
      continue;
    }
    if (pfn && shop.random().below(400) < g.spec.ballooned_percent * 2) {
      hole_left = shop.random().below(5);
      continue;
    }
    pfns.push_back(pfn);
  }
  std::vector<xen_pfn_t> extents = pfns;
  xen_memory_reservation_t r{};
  r.extent_start.p = extents.data();
  r.nr_extents = extents.size();
  r.domid = g.domid;
  const long done =
      call(shop.host(), {}, __HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&r));
  if (done != static_cast<long>(extents.size()))
    fail(Errc::no_memory, "scratch guest: the host has memory for {} of {} pages", done,
         extents.size());
  for (size_t i = 0; i < pfns.size(); ++i) {
    g.p2m[pfns[i]] = extents[i];
    g.roles[pfns[i]] = Role::data;
  }
}

uint64_t p2m_value(const ScratchGuest& g, uint64_t pfn) {
  if (pfn < g.p2m_entries && g.p2m[pfn] != kInvalid) return g.p2m[pfn];
  if (g.spec.identity_entries && pfn >= g.spec.pages && pfn < g.p2m_entries) return pfn | kIdentity;
  return kInvalid;
}

// The leaves, and the page that ranges without any memory share.
void build_p2m(Workshop& shop) {
  ScratchGuest& g = shop.guest();
  const uint64_t count = (g.p2m_entries + kPerLeaf - 1) / kPerLeaf;
  uint64_t missing = kInvalid;
  for (uint64_t leaf = 0; leaf < count; ++leaf) {
    bool empty = true;
    for (uint64_t pfn = leaf * kPerLeaf; pfn < (leaf + 1) * kPerLeaf && empty; ++pfn)
      empty = p2m_value(g, pfn) == kInvalid;
    if (empty && missing == kInvalid) {
      missing = shop.take(Role::p2m_missing);
      for (unsigned i = 0; i < kPerLeaf; ++i) shop.words(missing)[i] = kInvalid;
    }
    g.leaves.push_back(empty ? missing : shop.take(Role::p2m_leaf));
  }
}

// Once every page of the guest is known.
void fill_p2m(Workshop& shop) {
  ScratchGuest& g = shop.guest();
  for (uint64_t leaf = 0; leaf < g.leaves.size(); ++leaf) {
    if (g.roles[g.leaves[leaf]] != Role::p2m_leaf) continue;
    for (unsigned i = 0; i < kPerLeaf; ++i)
      shop.words(g.leaves[leaf])[i] = p2m_value(g, leaf * kPerLeaf + i);
  }
}

// The tree's middle pages and its top; the top's pfn.
uint64_t build_frame_lists(Workshop& shop) {
  ScratchGuest& g = shop.guest();
  const uint64_t top = shop.take(Role::frame_list);
  for (uint64_t first = 0; first < g.leaves.size(); first += kPerLeaf) {
    const uint64_t middle = shop.take(Role::frame_list);
    shop.words(top)[first / kPerLeaf] = shop.mfn(middle);
    for (uint64_t i = 0; i < kPerLeaf && first + i < g.leaves.size(); ++i)
      shop.words(middle)[i] = shop.mfn(g.leaves[first + i]);
  }
  return top;
}

void pin(Workshop& shop, uint64_t pfn, unsigned level) {
  mmuext_op_t op{};
  op.cmd = MMUEXT_PIN_L1_TABLE + level - 1;
  op.arg1.mfn = shop.mfn(pfn);
  must(call(shop.host(), {}, __HYPERVISOR_mmuext_op, address(&op), 1, 0, shop.guest().domid),
       "pinning a page table");
  shop.guest().pinned.push_back(pfn);
}

void write_start_info(Workshop& shop) {
  ScratchGuest& g = shop.guest();
  start_info_t start{};
  memcpy(start.magic, "xen-3.0-x86_64", 15);
  start.nr_pages = g.spec.pages;
  start.shared_info = shop.host().find_domain(g.domid)->shared_info_mfn << kPageShift;
  start.flags = g.spec.p2m == P2mForm::linear ? SIF_VIRT_P2M_4TOOLS : 0;
  // A guest that is about to suspend turns these two from mfns into pfns.
  start.store_mfn = g.store_ring;
  start.console.domU.mfn = g.console_ring;
  start.store_evtchn = 1;
  start.console.domU.evtchn = 2;
  start.pt_base = ScratchGuest::kKernelMap + (g.kernel_l4 << kPageShift);
  start.mfn_list = ScratchGuest::kP2mMap;
  memcpy(start.cmd_line, "scratch", 8);
  memcpy(shop.bytes(g.start_info), &start, sizeof start);
}

void write_shared_info(Workshop& shop, uint64_t top) {
  ScratchGuest& g = shop.guest();
  Domain& d = *shop.host().find_domain(g.domid);
  auto& shared = *reinterpret_cast<shared_info_t*>(shop.host().page(mfn_t(d.shared_info_mfn)));
  shared.arch.max_pfn = g.p2m_entries;
  shared.arch.pfn_to_mfn_frame_list_list = g.spec.p2m == P2mForm::linear ? kInvalid : shop.mfn(top);
  if (g.spec.p2m != P2mForm::tree) {
    shared.arch.p2m_cr3 = shop.mfn(g.kernel_l4) << kPageShift;
    shared.arch.p2m_vaddr = ScratchGuest::kP2mMap;
    shared.arch.p2m_generation = 2 * shop.random().below(100);
  }
  for (unsigned i = 0; i < 8; ++i) shared.evtchn_mask[i] = shop.random().next();
  for (unsigned vcpu = 0; vcpu < g.spec.vcpus; ++vcpu) {
    shared.vcpu_info[vcpu].evtchn_upcall_mask = 1;
    shared.vcpu_info[vcpu].arch.cr2 = shop.random().next();
  }
}

// Every page with memory at its place, tables and descriptors read-only.
LinearMap::Entry kernel_entry(const ScratchGuest& g, uint64_t pfn) {
  const Role role = g.roles[pfn];
  if (role == Role::absent) return {kInvalid, 0};
  const bool readonly = role == Role::table || role == Role::gdt;
  return {pfn, kPtePresent | kPteAccessed | kPteDirty | kPteNx | (readonly ? 0 : kPteRw)};
}

void fill_data(Workshop& shop) {
  const ScratchGuest& g = shop.guest();
  for (uint64_t pfn = 0; pfn < g.p2m_entries; ++pfn)
    if (g.roles[pfn] == Role::data)
      fill_page(g.spec.seed, pfn, g.spec.zero_percent, shop.bytes(pfn));
}

void suspend(Workshop& shop) {
  const ScratchGuest& g = shop.guest();
  xen_domctl op{};
  domctl(shop.host(), XEN_DOMCTL_unpausedomain, g.domid, op, "unpause");
  sched_shutdown_t reason{SHUTDOWN_suspend};
  must(call(shop.host(), {g.domid, 0}, __HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason)),
       "suspend");
}

}  // namespace

ScratchGuest build_guest(Host& host, const GuestSpec& spec) {
  ScratchGuest g;
  g.spec = spec;
  g.domid = create(host, spec);
  Workshop shop(host, g);
  populate(shop);
  shop.collect_free_pages();
  g.start_info = shop.take(Role::start_info);
  g.store_ring = shop.take(Role::store_ring);
  g.console_ring = shop.take(Role::console_ring);
  g.kernel_l4 = shop.take(Role::table, 4);
  build_p2m(shop);
  const uint64_t top = spec.p2m == P2mForm::linear ? 0 : build_frame_lists(shop);

  LinearMap memory(shop, ScratchGuest::kKernelMap, spec.pages);
  LinearMap list(shop, ScratchGuest::kP2mMap, g.leaves.size());
  const std::vector<std::pair<unsigned, uint64_t>> kernel = {
      {slot_of(ScratchGuest::kKernelMap, 4), memory.l3()},
      {slot_of(ScratchGuest::kP2mMap, 4), list.l3()}};
  const uint64_t table_flags = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty;
  for (const auto& [slot, l3] : kernel) shop.set_entry(g.kernel_l4, slot, l3, table_flags);
  std::vector<ProcessTables> processes;
  for (unsigned i = 0; i < spec.processes; ++i) processes.push_back(build_process(shop, kernel));
  const std::vector<VcpuPages> vcpus = take_vcpu_pages(shop);

  // From here on every page has its use.
  fill_data(shop);
  fill_p2m(shop);
  memory.fill([&](uint64_t pfn) { return kernel_entry(g, pfn); });
  list.fill([&](uint64_t leaf) -> LinearMap::Entry {
    const bool shared = g.roles[g.leaves[leaf]] == Role::p2m_missing;
    return {g.leaves[leaf], kPtePresent | kPteAccessed | kPteNx | (shared ? 0 : kPteRw)};
  });
  write_start_info(shop);
  write_shared_info(shop, top);

  if (spec.pin_each_l1)
    for (const ProcessTables& process : processes)
      for (const uint64_t l1 : process.l1s) pin(shop, l1, 1);
  pin(shop, g.kernel_l4, 4);
  for (const ProcessTables& process : processes) {
    pin(shop, process.kernel_l4, 4);
    pin(shop, process.user_l4, 4);
  }
  load_vcpus(shop, vcpus, processes);
  if (spec.suspended) suspend(shop);
  return g;
}

}  // namespace ferry::sim
