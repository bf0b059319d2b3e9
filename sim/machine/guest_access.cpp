// The page walk of a simulated CPU.
#include "sim/machine/guest_access.h"

#include <algorithm>
#include <cstring>

#include "sim/machine/log_dirty.h"
#include "sim/machine/mmu.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

enum class Outcome { ok, fault, emulate };

struct Walk {
  Outcome outcome;
  mfn_t mfn;
  unsigned error_code;
};

// Follows the tables for one page. PV kernels run in ring 3 with supervisor pages marked by
// GUEST_KERNEL; in user mode the CPU runs on the user base, whose tables hold only user pages.
Walk walk(Host& host, const Vcpu& v, uint64_t va, bool write) {
  const unsigned mode = kFaultUser | (write ? kFaultWrite : 0);
  mfn_t table(v.kernel_mode ? v.guest_table : v.guest_table_user);
  if (table.raw() == 0 || !is_guest_address(va)) return {Outcome::fault, mfn_t(), mode};
  bool writable = true;
  for (unsigned level = 4; level >= 1; --level) {
    uint64_t& entry = host.entries(table)[slot_of(va, level)];
    if (!pte_present(entry)) return {Outcome::fault, mfn_t(), mode};
    writable = writable && (entry & kPteRw);
    const bool kernel_page = level == 1 && (entry & kPteGuestKernel);
    if (!(entry & kPteUser) || (kernel_page && !v.kernel_mode))
      return {Outcome::fault, mfn_t(), mode | kFaultPresent};
    if (level == 1 && write && !writable)
      return {Outcome::emulate, pte_mfn(entry), mode | kFaultPresent};
    const uint64_t seen = entry | kPteAccessed | (level == 1 && write ? kPteDirty : 0);
    if (seen != entry) mark_dirty(host, table);
    entry = seen;
    table = pte_mfn(entry);
  }
  return {Outcome::ok, table, 0};
}

// Xen's emulation of a store to a page-table page of level 1 that the guest has mapped read-only.
bool emulate_store(Host& host, Domain& d, uint32_t vcpu, mfn_t mfn, uint64_t va, const void* in,
                   size_t bytes) {
  const bool assist = d.vm_assist >> VMASST_TYPE_writable_pagetables & 1;
  const Frame& f = host.frame(mfn);
  if (!assist || !d.vcpus[vcpu].kernel_mode || bytes > 8 || va % 8 + bytes > 8) return false;
  if (f.owner != d.domid || f.type != PageType::l1 || !f.type_count || !f.validated) return false;
  const auto slot = static_cast<unsigned>(va & (kPageSize - 1)) / 8;
  uint64_t entry = host.entries(mfn)[slot];
  memcpy(reinterpret_cast<uint8_t*>(&entry) + va % 8, in, bytes);
  return modify_entry(host, mfn, slot, entry, false, d.domid) == 0;
}

template <typename PerPage>
AccessResult for_each_page(uint64_t va, size_t bytes, PerPage per_page) {
  AccessResult result;
  for (size_t done = 0; done < bytes;) {
    const uint64_t at = va + done;
    const size_t n = std::min<size_t>(bytes - done, kPageSize - at % kPageSize);
    if (!per_page(at, done, n, result)) {
      result.ok = false;
      result.cr2 = at;
      return result;
    }
    done += n;
  }
  return result;
}

}  // namespace

AccessResult guest_read(Host& host, Domain& d, uint32_t vcpu, uint64_t va, void* out,
                        size_t bytes) {
  HostLock lock(host);
  return for_each_page(va, bytes, [&](uint64_t at, size_t done, size_t n, AccessResult& result) {
    const Walk w = walk(host, d.vcpus[vcpu], at, false);
    result.error_code = w.error_code;
    if (w.outcome != Outcome::ok) return false;
    memcpy(static_cast<uint8_t*>(out) + done, host.page(w.mfn) + at % kPageSize, n);
    return true;
  });
}

AccessResult guest_write(Host& host, Domain& d, uint32_t vcpu, uint64_t va, const void* in,
                         size_t bytes) {
  HostLock lock(host);
  return for_each_page(va, bytes, [&](uint64_t at, size_t done, size_t n, AccessResult& result) {
    const Walk w = walk(host, d.vcpus[vcpu], at, true);
    const uint8_t* from = static_cast<const uint8_t*>(in) + done;
    result.error_code = w.error_code;
    if (w.outcome == Outcome::emulate) return emulate_store(host, d, vcpu, w.mfn, at, from, n);
    if (w.outcome == Outcome::fault) return false;
    memcpy(host.page(w.mfn) + at % kPageSize, from, n);
    mark_dirty(host, w.mfn);
    return true;
  });
}

void deliver_page_fault(Host& host, Domain& d, uint32_t vcpu, uint64_t cr2) {
  HostLock lock(host);
  Vcpu& v = d.vcpus[vcpu];
  v.context.ctrlreg[2] = cr2;
  vcpu_info_t* info = nullptr;
  if (v.vcpu_info_mfn)
    info = reinterpret_cast<vcpu_info_t*>(host.page(mfn_t(v.vcpu_info_mfn)) + v.vcpu_info_offset);
  else if (vcpu < XEN_LEGACY_MAX_VCPUS)
    info = &reinterpret_cast<shared_info_t*>(host.page(mfn_t(d.shared_info_mfn)))->vcpu_info[vcpu];
  if (info) info->arch.cr2 = cr2;
}

bool translate(Host& host, const Vcpu& v, uint64_t va, mfn_t& mfn) {
  const auto at = find_l1e(host, v, va);
  if (!at) return false;
  const uint64_t entry = host.entries(at->table)[at->slot];
  if (!pte_present(entry)) return false;
  mfn = pte_mfn(entry);
  return true;
}

}  // namespace ferry::sim
