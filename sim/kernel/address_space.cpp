// A process's page tables.
#include "sim/kernel/address_space.h"

#include "error/error.h"
#include "guest/xen_guest.h"
#include "sim/kernel/current.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kUserTable = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty;

template <typename T>
T* at(uint64_t va) {
  return reinterpret_cast<T*>(va);
}

unsigned slot(uint64_t va, unsigned level) {
  return static_cast<unsigned>(va >> (kPageShift + 9 * (level - 1))) & 511;
}

}  // namespace

mm_struct AddressSpace::mm() const {
  return {at<pgd_t>(machine_->va_of(pgd_))};
}

bool AddressSpace::create() {
  if (!machine_->alloc_page(pgd_)) return false;
  mm_struct m = mm();
  if (xen_mmu_ops()->pgd_alloc(&m) != 0) {
    machine_->free_page(pgd_);
    return false;
  }
  machine_->record(pgd_).use = PageUse::table;
  machine_->record(pfn_t(machine_->page(pgd_).user_pgd)).use = PageUse::table;
  return true;
}

void AddressSpace::pin() {
  mm_struct m = mm();
  xen_mmu_ops()->enter_mmap(&m);
}

uint64_t AddressSpace::entry_of(uint64_t va, unsigned level) const {
  const uint64_t table = level == 4 ? pgd_.raw() : tables_.at(key_of(va, level));
  return machine_->va_of(pfn_t(table)) + 8 * slot(va, level);
}

void AddressSpace::link(uint64_t va, unsigned level, uint64_t value) {
  pv_mmu_ops* ops = xen_mmu_ops();
  const uint64_t entry = entry_of(va, level + 1);
  if (level == 3) ops->set_p4d(at<p4d_t>(entry), value ? ops->make_p4d(value) : p4d_t{0});
  if (level == 2) ops->set_pud(at<pud_t>(entry), value ? ops->make_pud(value) : pud_t{0});
  if (level == 1) ops->set_pmd(at<pmd_t>(entry), value ? ops->make_pmd(value) : pmd_t{0});
}

bool AddressSpace::make_table(uint64_t va, unsigned level) {
  if (tables_.contains(key_of(va, level))) return true;
  pfn_t pfn;
  if (!machine_->alloc_page(pfn)) return false;
  const uint8_t zero[kPageSize] = {};
  machine_->write_page(pfn, zero);
  machine_->record(pfn).use = PageUse::table;
  mm_struct m = mm();
  pv_mmu_ops* ops = xen_mmu_ops();
  (level == 3 ? ops->alloc_pud : level == 2 ? ops->alloc_pmd : ops->alloc_pte)(&m, pfn.raw());
  link(va, level, pfn.raw() << kPageShift | kUserTable);
  tables_[key_of(va, level)] = pfn.raw();
  return true;
}

bool AddressSpace::make_tables(uint64_t va) {
  return make_table(va, 3) && make_table(va, 2) && make_table(va, 1);
}

uint64_t AddressSpace::value_of(const Mapping& m) const {
  const uint64_t flags = (m.hidden ? kPteGlobal : kPtePresent) | kPteUser |
                         (m.writable && !m.cow ? kPteRw : uint64_t{0});
  return xen_mmu_ops()->make_pte(m.pfn << kPageShift | flags).pte;
}

bool AddressSpace::map(uint64_t va, const Mapping& mapping) {
  if (!make_tables(va)) return false;
  xen_mmu_ops()->set_pte(at<pte_t>(entry_of(va, 1)), pte_t{value_of(mapping)});
  mappings_[va] = mapping;
  return true;
}

void AddressSpace::change(uint64_t va, const Mapping& mapping) {
  xen_mmu_ops()->set_pte(at<pte_t>(entry_of(va, 1)), pte_t{value_of(mapping)});
  xen_mmu_ops()->flush_tlb_one_user(va);
  mappings_.at(va) = mapping;
}

void AddressSpace::protect(uint64_t va, const Mapping& mapping) {
  pv_mmu_ops* ops = xen_mmu_ops();
  pte_t* entry = at<pte_t>(entry_of(va, 1));
  ops->lazy_mmu.flush();  // the entry may still wait
  const pte_t old = ops->ptep_modify_prot_start(nullptr, va, entry);
  const uint64_t kept = ops->pte_val(old) & (kPteAccessed | kPteDirty);
  const pte_t now{value_of(mapping) | (mapping.hidden ? 0 : kept)};
  ops->ptep_modify_prot_commit(nullptr, va, entry, now);
  ops->flush_tlb_one_user(va);
  mappings_.at(va) = mapping;
}

void AddressSpace::unmap(uint64_t va) {
  if (mappings_.erase(va) == 0) return;
  xen_mmu_ops()->set_pte(at<pte_t>(entry_of(va, 1)), pte_t{0});
  xen_mmu_ops()->flush_tlb_one_user(va);
}

std::vector<uint64_t> AddressSpace::drop_l1(uint64_t va) {
  std::vector<uint64_t> pfns;
  const uint64_t first = va >> 21 << 21;
  for (auto it = mappings_.lower_bound(first); it != mappings_.end() && it->first >> 21 == va >> 21;
       it = mappings_.lower_bound(first)) {
    pfns.push_back(it->second.pfn);
    unmap(it->first);
  }
  const auto table = tables_.find(key_of(va, 1));
  if (table == tables_.end()) return pfns;
  link(va, 1, 0);
  xen_mmu_ops()->flush_tlb_user();
  xen_mmu_ops()->release_pte(table->second);
  unused_.push_back(table->second);
  tables_.erase(table);
  return pfns;
}

void AddressSpace::settle() {
  for (const uint64_t pfn : unused_) machine_->free_page(pfn_t(pfn));
  unused_.clear();
}

void AddressSpace::destroy() {
  pv_mmu_ops* ops = xen_mmu_ops();
  mm_struct m = mm();
  ops->exit_mmap(&m);
  for (const auto& [key, pfn] : tables_) {
    (key.level == 3 ? ops->release_pud : key.level == 2 ? ops->release_pmd : ops->release_pte)(pfn);
    unused_.push_back(pfn);
  }
  ops->pgd_free(&m, m.pgd);
  unused_.push_back(pgd_.raw());
  settle();
  tables_.clear();
  mappings_.clear();
}

const Mapping* AddressSpace::find(uint64_t va) const {
  const auto it = mappings_.find(va);
  return it == mappings_.end() ? nullptr : &it->second;
}

// Straight from the machine's frames, with the M2P: whatever the guest half believes does not
// count.
void AddressSpace::read_back(uint64_t table, unsigned level, uint64_t va,
                             std::map<uint64_t, Mapping>& seen) const {
  Host& host = machine_->host();
  const uint64_t* entries = host.entries(mfn_t(pfn_to_mfn(table)));
  for (unsigned i = 0; i < (level == 4 ? kUserSlots : kEntriesPerTable); ++i) {
    const uint64_t e = entries[i];
    const uint64_t here = va | uint64_t{i} << (kPageShift + 9 * (level - 1));
    const bool present = e & kPtePresent;
    if (level > 1 && present) read_back(host.m2p(frame_of(machine_pte{e})), level - 1, here, seen);
    if (level > 1 || e == 0) continue;
    const uint64_t frame = (e & kPteFrameMask) >> kPageShift;
    seen[here] = {present ? host.m2p(mfn_t(frame)) : frame, (e & kPteRw) != 0, false, !present};
  }
}

std::vector<std::string> AddressSpace::differences() const {
  std::vector<std::string> found;
  std::map<uint64_t, Mapping> seen;
  read_back(pgd_.raw(), 4, 0, seen);
  for (const auto& [va, m] : mappings_) {
    const auto it = seen.find(va);
    if (it == seen.end())
      found.push_back(fmt::format("{:#x} is not mapped", va));
    else if (it->second.pfn != m.pfn || it->second.hidden != m.hidden ||
             it->second.writable != (m.writable && !m.cow))
      found.push_back(fmt::format("{:#x} is mapped otherwise", va));
    if (it != seen.end()) seen.erase(it);
  }
  for (const auto& [va, m] : seen) found.push_back(fmt::format("{:#x} is mapped", va));
  return found;
}

}  // namespace ferry::sim
