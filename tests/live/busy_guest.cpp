// A scratch guest that runs.
#include "tests/live/busy_guest.h"

#include <set>

#include "error/error.h"
#include "sim/machine/guest_access.h"
#include "sim/machine/hypercall.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"

namespace ferry::sim {
namespace {

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

GuestSpec running(GuestSpec spec) {
  spec.suspended = false;
  return spec;
}

constexpr uint64_t kKernelFlags = kPtePresent | kPteRw | kPteAccessed | kPteDirty | kPteNx;

}  // namespace

BusyGuest::BusyGuest(Host& host, GuestSpec spec, uint64_t seed)
    : host_(host),
      guest_(build_guest(host, running(spec))),
      random_(seed),
      balloons_(random_.chance(60)) {
  for (uint64_t pfn = 0; pfn < spec.pages; ++pfn) {
    const Role role = guest_.roles[pfn];
    if (role == Role::data) data_.push_back(pfn);
    if (role == Role::absent) absent_.push_back(pfn);
  }
  find_user_l1s();
  for (int i = 0; i < 8 && !data_.empty(); ++i) hot_.push_back(some_page(Role::data));
  pinned_.assign(guest_.pinned.size(), true);
  xen_domctl op{};
  op.cmd = XEN_DOMCTL_unpausedomain;
  op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op.domain = guest_.domid;
  const uint64_t args[5] = {address(&op)};
  HostLock lock(host_);
  must(hypercall_locked(host_, {}, __HYPERVISOR_domctl, args), "unpause");
}

long BusyGuest::call(unsigned op, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4) {
  const uint64_t args[5] = {a1, a2, a3, a4, 0};
  HostLock lock(host_);
  return hypercall_locked(host_, {guest_.domid, 0}, op, args);
}

void BusyGuest::must(long rc, const char* what) const {
  if (rc < 0)
    fail_errno(Errc::internal, static_cast<int>(-rc), fmt::format("busy guest: {}", what));
}

uint64_t BusyGuest::some_page(Role role) {
  const auto& list = role == Role::data ? data_ : absent_;
  return list.empty() ? kNone : list[random_.below(list.size())];
}

uint64_t BusyGuest::address_of(uint64_t pfn) {
  return ScratchGuest::kKernelMap + (pfn << kPageShift);
}

void BusyGuest::write_word(uint64_t va, uint64_t value) {
  const AccessResult r = guest_write(host_, *host_.find_domain(guest_.domid), 0, va, &value, 8);
  if (!r.ok) fail(Errc::internal, "busy guest: a write to {:#x} faulted", va);
}

// Through the kernel's map, as the tree form has no map of its own.
void BusyGuest::write_p2m(uint64_t pfn, uint64_t entry) {
  write_word(address_of(guest_.leaves[pfn / 512]) + pfn % 512 * 8, entry);
  guest_.p2m[pfn] = entry;
}

bool BusyGuest::map_kernel(uint64_t pfn, uint64_t mfn) {
  const uint64_t entry = mfn == kNone ? 0 : make_pte(mfn_t(mfn), kKernelFlags);
  return call(__HYPERVISOR_update_va_mapping, address_of(pfn), entry, UVMF_INVLPG | UVMF_ALL) == 0;
}

// Those that no kernel map is made of.
void BusyGuest::find_user_l1s() {
  std::set<uint64_t> of_kernel;
  const auto children = [&](mfn_t table, unsigned from) {
    std::vector<mfn_t> list;
    for (unsigned slot = from; slot < 512; ++slot)
      if (pte_present(host_.entries(table)[slot]) && pte_mfn(host_.entries(table)[slot]) != table)
        list.push_back(pte_mfn(host_.entries(table)[slot]));
    return list;
  };
  for (const mfn_t l3 : children(mfn_t(guest_.p2m[guest_.kernel_l4]), kLastXenSlot + 1))
    for (const mfn_t l2 : children(l3, 0))
      for (const mfn_t l1 : children(l2, 0)) of_kernel.insert(host_.m2p(l1));
  for (uint64_t pfn = 0; pfn < guest_.spec.pages; ++pfn)
    if (guest_.roles[pfn] == Role::table && guest_.levels[pfn] == 1 && !of_kernel.contains(pfn))
      user_l1s_.push_back(pfn);
}

// True if no process maps the frame, as far as the guest itself knows.
bool BusyGuest::alone(uint64_t mfn) {
  for (const uint64_t l1 : user_l1s_)
    for (unsigned slot = 0; slot < 512; ++slot) {
      const uint64_t entry = host_.entries(mfn_t(guest_.p2m[l1]))[slot];
      if (pte_present(entry) && pte_mfn(entry) == mfn_t(mfn)) return false;
    }
  return true;
}

void BusyGuest::dirty_page() {
  const bool hot = random_.chance(60);
  const uint64_t pfn = hot ? hot_[random_.below(hot_.size())] : some_page(Role::data);
  if (pfn == kNone || guest_.p2m[pfn] == kNone) return;
  const uint64_t at = random_.below(512) * 8;
  write_word(address_of(pfn) + at, random_.chance(30) ? 0 : random_.next());
  ++counts_.writes;
}

void BusyGuest::give_back() {
  if (data_.size() < 16) return;
  const size_t i = random_.below(data_.size());
  const uint64_t pfn = data_[i];
  xen_pfn_t mfn = guest_.p2m[pfn];
  if (!alone(mfn) || guest_.roles[guest_.leaves[pfn / 512]] != Role::p2m_leaf) return;
  if (!map_kernel(pfn, kNone)) fail(Errc::internal, "busy guest: cannot unmap {:#x}", pfn);
  write_p2m(pfn, kNone);
  xen_memory_reservation_t r{};
  r.extent_start.p = &mfn;
  r.nr_extents = 1;
  r.domid = DOMID_SELF;
  if (call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&r)) != 1)
    fail(Errc::internal, "busy guest: cannot give back {:#x}", pfn);
  data_[i] = data_.back();
  data_.pop_back();
  absent_.push_back(pfn);
  guest_.roles[pfn] = Role::absent;
  ++counts_.given_back;
}

void BusyGuest::take_page() {
  if (absent_.empty()) return;
  const size_t i = random_.below(absent_.size());
  const uint64_t pfn = absent_[i];
  if (guest_.roles[guest_.leaves[pfn / 512]] != Role::p2m_leaf) return;
  xen_pfn_t extent = pfn;
  xen_memory_reservation_t r{};
  r.extent_start.p = &extent;
  r.nr_extents = 1;
  r.domid = DOMID_SELF;
  // A toolstack that maps what was given back keeps Xen from handing it out again.
  if (call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&r)) != 1) return;
  write_p2m(pfn, extent);
  if (!map_kernel(pfn, extent)) fail(Errc::internal, "busy guest: cannot map {:#x}", pfn);
  absent_[i] = absent_.back();
  absent_.pop_back();
  data_.push_back(pfn);
  guest_.roles[pfn] = Role::data;
  if (random_.chance(70)) write_word(address_of(pfn), random_.next());
  ++counts_.taken;
}

// Two pages exchange their frames, and so their contents.
void BusyGuest::swap_frames() {
  const uint64_t a = some_page(Role::data), b = some_page(Role::data);
  if (a == kNone || a == b || !alone(guest_.p2m[a]) || !alone(guest_.p2m[b])) return;
  if (guest_.roles[guest_.leaves[a / 512]] != Role::p2m_leaf ||
      guest_.roles[guest_.leaves[b / 512]] != Role::p2m_leaf)
    return;
  const uint64_t of_a = guest_.p2m[a], of_b = guest_.p2m[b];
  mmu_update_t updates[2] = {{of_a << kPageShift | MMU_MACHPHYS_UPDATE, b},
                             {of_b << kPageShift | MMU_MACHPHYS_UPDATE, a}};
  if (!map_kernel(a, kNone) || !map_kernel(b, kNone) ||
      call(__HYPERVISOR_mmu_update, address(updates), 2, 0, DOMID_SELF) != 0)
    fail(Errc::internal, "busy guest: cannot swap {:#x} and {:#x}", a, b);
  write_p2m(a, of_b);
  write_p2m(b, of_a);
  if (!map_kernel(a, of_b) || !map_kernel(b, of_a))
    fail(Errc::internal, "busy guest: cannot map {:#x} and {:#x}", a, b);
  ++counts_.swaps;
}

// Its frame is still the page's own, and mapped as before.
void BusyGuest::hide() {
  if (data_.size() < 16) return;
  const size_t i = random_.below(data_.size());
  const uint64_t pfn = data_[i];
  if (guest_.roles[guest_.leaves[pfn / 512]] != Role::p2m_leaf) return;
  hidden_.emplace_back(pfn, guest_.p2m[pfn]);
  write_p2m(pfn, kNone);
  data_[i] = data_.back();
  data_.pop_back();
  ++counts_.hidden;
}

void BusyGuest::show_again() {
  if (hidden_.empty()) return;
  std::swap(hidden_[random_.below(hidden_.size())], hidden_.back());
  const auto [pfn, frame] = hidden_.back();
  hidden_.pop_back();
  write_p2m(pfn, frame);
  data_.push_back(pfn);
}

// An entry of a process's L1: another data page, a swap entry, nothing.
void BusyGuest::change_entry() {
  if (user_l1s_.empty()) return;
  const uint64_t l1 = user_l1s_[random_.below(user_l1s_.size())];
  const auto slot = random_.below(512);
  const uint64_t pfn = some_page(Role::data);
  uint64_t entry = 0;
  if (random_.chance(60) && pfn != kNone)
    entry = make_pte(mfn_t(guest_.p2m[pfn]), kPtePresent | kPteUser | kPteAccessed | kPteRw);
  else if (random_.chance(50))
    entry = (random_.next() & ~kPtePresent & 0x00ffffffffffffff) | 0x800;
  mmu_update_t update{guest_.p2m[l1] << kPageShift | slot * 8 | MMU_NORMAL_PT_UPDATE, entry};
  counts_.entries += call(__HYPERVISOR_mmu_update, address(&update), 1, 0, DOMID_SELF) == 0;
}

bool BusyGuest::pin(size_t i, bool on) {
  const uint64_t pfn = guest_.pinned[i];
  mmuext_op_t op{};
  op.cmd = on ? static_cast<unsigned>(MMUEXT_PIN_L1_TABLE) + guest_.levels[pfn] - 1u
              : static_cast<unsigned>(MMUEXT_UNPIN_TABLE);
  op.arg1.mfn = guest_.p2m[pfn];
  return call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, DOMID_SELF) == 0;
}

// As when a process goes and another comes that uses the same tables.
void BusyGuest::toggle_pin() {
  if (pinned_.empty()) return;
  const size_t i = random_.below(pinned_.size());
  if (guest_.pinned[i] == guest_.kernel_l4 || !pin(i, !pinned_[i])) return;
  pinned_[i] = !pinned_[i];
  ++counts_.pins;
}

void BusyGuest::step() {
  if (suspended_) return;
  for (uint64_t n = random_.below(6); n > 0; --n) {
    // Guests with a balloon, and guests that only work.
    const uint64_t what = random_.below(110);
    if (!balloons_ && what >= 50 && what < 82) continue;
    if (what < 50)
      dirty_page();
    else if (what < 62)
      give_back();
    else if (what < 74)
      take_page();
    else if (what < 82)
      swap_frames();
    else if (what < 94)
      change_entry();
    else if (what < 100)
      toggle_pin();
    else if (what < 105)
      hide();
    else
      show_again();
  }
}

void BusyGuest::suspend() {
  while (!hidden_.empty()) show_again();
  for (size_t i = 0; i < pinned_.size(); ++i)
    if (!pinned_[i] && !pin(i, true)) fail(Errc::internal, "busy guest: cannot pin");
  sched_shutdown_t reason{SHUTDOWN_suspend};
  must(call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason)), "suspend");
  suspended_ = true;
}

}  // namespace ferry::sim
