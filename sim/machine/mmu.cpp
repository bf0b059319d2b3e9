// mmu_update, update_va_mapping, update_descriptor.
#include "sim/machine/mmu.h"

#include <cerrno>

#include "sim/machine/log_dirty.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

// Only these flags may change without a new look at the frame.
constexpr uint64_t kFastFlags =
    kPteNx | kPteAvailHigh | kPteAvail | kPteGlobal | kPteDirty | kPteAccessed | kPteUser;

void store(Host& host, mfn_t table, unsigned slot, uint64_t entry, bool preserve_ad) {
  uint64_t& at = host.entries(table)[slot];
  if (preserve_ad) entry |= at & (kPteAccessed | kPteDirty);
  at = entry;
  mark_dirty(host, table);
}

// The domain named in the low half of foreigndom; DOMID_SELF is the caller.
struct FrameOwner {
  bool known;
  DomainNumber domid;
};
FrameOwner frame_owner(Host& host, const Domain& caller, uint16_t foreign) {
  if (foreign == DOMID_SELF) return {true, caller.domid};
  if (foreign == caller.domid) return {false, 0};  // must be named DOMID_SELF
  if (foreign == DOMID_IO || foreign == DOMID_XEN) return {true, foreign};
  return {host.find_domain(foreign) != nullptr, foreign};
}

int machphys_update(Host& host, Domain& caller, const Domain& pt_owner, DomainNumber pg_owner,
                    const mmu_update_t& request) {
  if (&caller != &pt_owner) return -EPERM;
  const mfn_t mfn(request.ptr >> kPageShift);
  if (!get_page(host, mfn, pg_owner)) return -EINVAL;
  host.m2p(mfn) = request.val;
  if (Domain* d = host.find_domain(pg_owner)) mark_pfn_dirty(host, *d, request.val);
  put_page(host, mfn);
  return 0;
}

int normal_update(Host& host, const Domain& pt_owner, DomainNumber pg_owner,
                  const mmu_update_t& request, bool preserve_ad) {
  const uint64_t at = request.ptr & ~uint64_t{7};
  const mfn_t table(at >> kPageShift);
  const auto slot = static_cast<unsigned>(at & (kPageSize - 1)) / 8;
  if (!get_page(host, table, pt_owner.domid)) return -EINVAL;
  const Frame& f = host.frame(table);
  int rc = -EINVAL;
  if (f.validated && f.type_count && is_page_table(f.type)) {
    if (f.type == PageType::l1 || pg_owner == pt_owner.domid)
      rc = modify_entry(host, table, slot, request.val, preserve_ad, pg_owner);
  } else if (get_page_type(host, table, PageType::writable) == 0) {
    host.entries(table)[slot] = request.val;
    mark_dirty(host, table);
    put_page_type(host, table);
    rc = 0;
  }
  put_page(host, table);
  return rc;
}

}  // namespace

int modify_entry(Host& host, mfn_t table, unsigned slot, uint64_t entry, bool preserve_ad,
                 DomainNumber frame_owner_domid) {
  const Frame& f = host.frame(table);
  const unsigned level = level_of(f.type);
  if (!is_guest_slot(level, slot)) return -EINVAL;
  const uint64_t old = host.entries(table)[slot];
  if (pte_present(entry)) {
    if (entry & disallowed_flags(level)) return -EINVAL;
    if (((old ^ entry) & ~kFastFlags) == 0) {
      store(host, table, slot, adjust_guest_entry(level, entry), preserve_ad);
      return 0;
    }
    const int rc = level == 1 ? get_page_from_l1e(host, entry, f.owner, frame_owner_domid)
                              : get_page_from_table_entry(host, level, entry, table, f.owner);
    if (rc) return rc;
    entry = adjust_guest_entry(level, entry);
  }
  store(host, table, slot, entry, preserve_ad);
  if (level == 1)
    put_page_from_l1e(host, old);
  else
    put_page_from_table_entry(host, old, table);
  return 0;
}

int mmu_update(Host& host, Domain& caller, uint32_t, const mmu_update_t* requests, uint32_t count,
               uint32_t* done, uint32_t foreign) {
  Domain* pt_owner = &caller;
  if (const uint32_t named = foreign >> 16) {
    pt_owner = host.find_domain(static_cast<DomainNumber>(named - 1));
    if (!pt_owner) return -ESRCH;
    if (pt_owner != &caller && !pt_owner->vcpus[0].exists) return -EINVAL;
  }
  const FrameOwner owner = frame_owner(host, caller, static_cast<uint16_t>(foreign));
  if (!owner.known) return -ESRCH;
  if (count && !requests) return -EFAULT;

  int rc = 0;
  uint32_t i = 0;
  for (; i < count; ++i) {
    const mmu_update_t& request = requests[i];
    const auto command = static_cast<unsigned>(request.ptr & 7);
    const bool own_frames = owner.domid == caller.domid || owner.domid == DOMID_IO;
    if (!caller.privileged && (pt_owner != &caller || !own_frames)) {
      rc = -EPERM;
      break;
    }
    switch (command) {
      case MMU_NORMAL_PT_UPDATE:
      case MMU_PT_UPDATE_PRESERVE_AD:
      case MMU_PT_UPDATE_NO_TRANSLATE:
        rc = normal_update(host, *pt_owner, owner.domid, request,
                           command == MMU_PT_UPDATE_PRESERVE_AD);
        break;
      case MMU_MACHPHYS_UPDATE:
        rc = machphys_update(host, caller, *pt_owner, owner.domid, request);
        break;
      default:
        rc = -ENOSYS;
    }
    if (rc) break;
  }
  if (done) *done = i;
  return rc;
}

std::optional<TableSlot> find_l1e(Host& host, const Vcpu& v, uint64_t va) {
  if (!is_guest_address(va)) return std::nullopt;
  mfn_t table(v.kernel_mode ? v.guest_table : v.guest_table_user);
  if (table.raw() == 0) return std::nullopt;
  for (unsigned level = 4; level > 1; --level) {
    const uint64_t entry = host.entries(table)[slot_of(va, level)];
    if (!pte_present(entry) || (entry & kPtePse) || !host.valid(pte_mfn(entry)))
      return std::nullopt;
    table = pte_mfn(entry);
  }
  return TableSlot{table, slot_of(va, 1)};
}

int update_va_mapping(Host& host, Domain& caller, uint32_t vcpu, uint64_t va, uint64_t l1e,
                      uint64_t flags, uint32_t foreign) {
  const FrameOwner owner = frame_owner(host, caller, static_cast<uint16_t>(foreign));
  if (!owner.known) return -ESRCH;
  if (!caller.privileged && owner.domid != caller.domid) return -EPERM;
  if (vcpu >= caller.max_vcpus || !caller.vcpus[vcpu].initialised) return -EINVAL;
  const auto at = find_l1e(host, caller.vcpus[vcpu], va);
  if (!at) return -EINVAL;
  const Frame& f = host.frame(at->table);
  // A linear mapping can lead to a table of a higher level: only L1 entries are changed this way.
  if (f.owner != caller.domid || f.type != PageType::l1 || !f.validated || !f.type_count)
    return -EINVAL;
  if (int rc = modify_entry(host, at->table, at->slot, l1e, false, owner.domid)) return rc;
  // There is no TLB that could be stale here, but whose it is has to be readable; the entry stays
  // changed.
  const uint64_t list = flags & ~uint64_t{UVMF_FLUSHTYPE_MASK};
  const bool some =
      (flags & UVMF_FLUSHTYPE_MASK) != UVMF_NONE && list != UVMF_LOCAL && list != UVMF_ALL;
  return some && (flags & UVMF_FLUSHTYPE_MASK) != 3 && is_xens_address(list) ? -EFAULT : 0;
}

int update_descriptor(Host& host, Domain& caller, uint64_t maddr, uint64_t descriptor) {
  if ((maddr & 7) || !check_descriptor(descriptor)) return -EINVAL;
  const mfn_t mfn(maddr >> kPageShift);
  if (!get_page(host, mfn, caller.domid)) return -EINVAL;
  const PageType as =
      host.frame(mfn).type == PageType::seg_desc ? PageType::seg_desc : PageType::writable;
  const int rc = get_page_type(host, mfn, as) ? -EINVAL : 0;
  if (rc == 0) {
    host.entries(mfn)[(maddr & (kPageSize - 1)) / 8] = descriptor;
    mark_dirty(host, mfn);
    put_page_type(host, mfn);
  }
  put_page(host, mfn);
  return rc;
}

}  // namespace ferry::sim
