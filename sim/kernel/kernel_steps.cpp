// What the simulated kernel does all day: one thing a step, drawn from its own random numbers.
#include <algorithm>
#include <cstring>

#include "guest/xen_guest.h"
#include "sim/builder/page_content.h"
#include "sim/kernel/sim_kernel.h"

namespace ferry::sim {

namespace {

constexpr size_t kMostProcesses = 5;
constexpr size_t kMostMappings = 40;
// Pages that stay free, so that page tables can still be made.
constexpr uint64_t kReserve = 24;

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

// A page of one of a few regions: program, heap, stack, and one that needs tables of its own.
uint64_t some_address(Random& random) {
  constexpr uint64_t kRegions[] = {0x400000, 0x555555554000, 0x7fff00000000, 0x7f1234400000};
  return kRegions[random.below(4)] + random.below(24) * kPageSize * (random.chance(10) ? 64 : 1);
}

}  // namespace

void SimKernel::act() {
  Random& random = machine_.random();
  unsigned cpu = static_cast<unsigned>(random.below(vcpus_));
  if (!machine_.cpu_online(cpu)) cpu = 0;
  machine_.run_on(cpu);
  const uint64_t what = random.below(100);
  if (processes_.size() < 2 || what < 3) return spawn();
  if (what < 38) return touch();
  if (what < 60) return change_mappings();
  if (what < 72) return switch_to(some_process());
  if (what < 76) {
    if (AddressSpace* parent = some_process()) fork(*parent);
    return;
  }
  if (what < 79) return exit_process();
  if (what < 85) return use_buffer();
  if (what < 91) return balloon();
  if (what < 94) return exchange_frames();
  if (what < 96) return map_foreign();
  if (what < 98) return grant();
  hotplug_vcpu();
}

AddressSpace* SimKernel::some_process() {
  if (processes_.empty()) return nullptr;
  return &std::next(processes_.begin(),
                    static_cast<long>(machine_.random().below(processes_.size())))
              ->second;
}

// A pfn of that use, looked for from a random place on.
bool SimKernel::some_page(PageUse use, pfn_t& pfn) {
  const uint64_t from = machine_.random().below(machine_.pfns());
  for (uint64_t i = 0; i < machine_.pfns(); ++i) {
    pfn = pfn_t((from + i) % machine_.pfns());
    if (machine_.record(pfn).use == use) return true;
  }
  return false;
}

// Writes a page as the kernel does, through the direct map.
void SimKernel::fill(pfn_t pfn, uint64_t content) {
  uint8_t bytes[kPageSize] = {};
  if (content != 0) fill_page(content, 1, 0, bytes);
  machine_.write_page(pfn, bytes);
  machine_.record(pfn).content = content;
}

// After a step no hypercall waits: pages that were unmapped in it can be used again.
void SimKernel::settle() {
  if (half_.core.calls.waiting()) machine_.bug("hypercalls wait after a step");
  for (auto& [pid, space] : processes_) space.settle();
  for (const uint64_t pfn : freed_) machine_.free_page(pfn_t(pfn));
  freed_.clear();
}

// -- processes --

void SimKernel::spawn() {
  if (processes_.size() >= kMostProcesses || machine_.free_pages() < kReserve) return;
  AddressSpace space(machine_);
  if (!space.create()) return;
  if (machine_.random().chance(70)) space.pin();
  processes_.emplace(next_pid_++, std::move(space));
}

// Both share all pages from now on, and whoever writes first gets a copy.
void SimKernel::fork(AddressSpace& parent) {
  if (processes_.size() >= kMostProcesses || machine_.free_pages() < kReserve * 2) return;
  AddressSpace child(machine_);
  if (!child.create()) return;
  pv_mmu_ops* ops = xen_mmu_ops();
  if (machine_.random().chance(80)) ops->lazy_mmu.enter();
  const std::map<uint64_t, Mapping> all = parent.mappings();
  for (const auto& [va, mapping] : all) {
    Mapping shared = mapping;
    shared.cow = mapping.writable;
    if (!child.map(va, shared)) break;
    ++machine_.record(pfn_t(mapping.pfn)).mappings;
    if (shared.cow != mapping.cow) parent.protect(va, shared);
  }
  if (half_.core.calls.lazy() == lazy_mode::mmu) ops->lazy_mmu.leave();
  child.pin();
  processes_.emplace(next_pid_++, std::move(child));
}

void SimKernel::exit_process() {
  if (processes_.size() < 3) return;
  const auto it =
      std::next(processes_.begin(), static_cast<long>(machine_.random().below(processes_.size())));
  for (uint32_t& pid : running_)
    if (pid == it->first) pid = 0;
  std::vector<uint64_t> pages;
  for (const auto& [va, mapping] : it->second.mappings()) pages.push_back(mapping.pfn);
  it->second.destroy();
  processes_.erase(it);
  for (const uint64_t pfn : pages) drop(pfn);
}

// One process maps it less; the last one gives it back.
void SimKernel::drop(uint64_t pfn) {
  PageRecord& r = machine_.record(pfn_t(pfn));
  if (--r.mappings == 0) freed_.push_back(pfn);
}

void SimKernel::switch_to(AddressSpace* space) {
  pv_mmu_ops* ops = xen_mmu_ops();
  uint32_t next = 0;
  for (auto& [pid, s] : processes_)
    if (&s == space) next = pid;
  if (machine_.random().chance(15)) next = 0;  // to a kernel thread
  if (next != 0 && !space->pinned()) space->pin();
  const bool lazy = ops->start_context_switch();
  ops->write_cr3((next ? space->pgd() : half_.core.init_pgd).raw() << kPageShift);
  ops->end_context_switch(lazy);
  running_[machine_.this_cpu()] = next;
}

// The process on this vCPU reads or writes a page, and faults it in if it must.
void SimKernel::touch() {
  const uint32_t pid = running_[machine_.this_cpu()];
  if (pid == 0) return switch_to(some_process());
  AddressSpace& space = processes_.at(pid);
  Random& random = machine_.random();
  uint64_t va = some_address(random);
  if (!space.mappings().empty() && random.chance(75)) {
    auto it = space.mappings().lower_bound(va);
    va = (it == space.mappings().end() ? space.mappings().begin() : it)->first;
  }
  const bool write = random.chance(60);
  const uint64_t content = random.next() | 1;
  uint8_t bytes[kPageSize];
  if (write) fill_page(content, 1, 0, bytes);
  for (int tries = 0; tries < 3; ++tries) {
    if (write ? machine_.user_write(va, bytes) : machine_.user_read(va, bytes)) {
      PageRecord& r = machine_.record(pfn_t(space.find(va)->pfn));
      if (write) r.content = content;
      uint8_t expected[kPageSize] = {};
      if (r.content != 0) fill_page(r.content, 1, 0, expected);
      if (memcmp(bytes, expected, kPageSize) != 0) machine_.bug("a process read something else");
      return;
    }
    if (xen_mmu_ops()->read_cr2() != va) machine_.bug("the fault address is not the one at fault");
    if (!handle_fault(space, write)) return;  // a signal, or no memory
  }
  machine_.bug("a fault comes back for ever");
}

// False if the process may not do that, or there is no memory.
bool SimKernel::handle_fault(AddressSpace& space, bool write) {
  const uint64_t va = xen_mmu_ops()->read_cr2();
  const Mapping* old = space.find(va);
  if (old && (old->hidden || (write && !old->writable))) return false;
  if (machine_.free_pages() < kReserve || (!old && space.mappings().size() >= kMostMappings))
    return false;
  if (!old) {  // memory on demand, all zero
    pfn_t pfn;
    if (!machine_.alloc_page(pfn)) return false;
    fill(pfn, 0);
    machine_.record(pfn).use = PageUse::user;
    machine_.record(pfn).mappings = 1;
    if (space.map(va, {pfn.raw(), true, false, false})) return true;
    drop(pfn.raw());
    return false;
  }
  if (!old->cow) machine_.bug("a fault where nothing is wrong");
  Mapping own = *old;
  own.cow = false;
  if (machine_.record(pfn_t(old->pfn)).mappings > 1) {
    pfn_t copy;
    if (!machine_.alloc_page(copy)) return false;
    uint8_t bytes[kPageSize];
    machine_.read_page(pfn_t(old->pfn), bytes);
    machine_.write_page(copy, bytes);
    PageRecord& r = machine_.record(copy);
    r.content = machine_.record(pfn_t(old->pfn)).content;
    r.use = PageUse::user;
    r.mappings = 1;
    drop(old->pfn);
    own.pfn = copy.raw();
  }
  space.change(va, own);
  return true;
}

// Several changes of one process's mappings, put off to the end of lazy mode most times.
void SimKernel::change_mappings() {
  Random& random = machine_.random();
  AddressSpace& space = *some_process();
  const bool lazy = random.chance(60);
  if (lazy) xen_mmu_ops()->lazy_mmu.enter();
  for (uint64_t n = 1 + random.below(4); n > 0 && !space.mappings().empty(); --n) {
    auto it = space.mappings().lower_bound(some_address(random));
    if (it == space.mappings().end()) it = space.mappings().begin();
    const uint64_t va = it->first;
    Mapping m = it->second;
    switch (random.below(6)) {
      case 0:
        if (random.chance(40)) unmap(space, va);
        break;
      case 1:
        if (random.chance(10)) {
          for (const uint64_t pfn : space.drop_l1(va)) drop(pfn);
          break;
        }
        [[fallthrough]];
      case 2:
        m.hidden = !m.hidden;
        space.protect(va, m);
        break;
      default:
        m.writable = !m.writable;
        m.cow = m.writable && machine_.record(pfn_t(m.pfn)).mappings > 1;
        space.protect(va, m);
    }
  }
  if (lazy) xen_mmu_ops()->lazy_mmu.leave();
}

void SimKernel::unmap(AddressSpace& space, uint64_t va) {
  const uint64_t pfn = space.find(va)->pfn;
  space.unmap(va);
  drop(pfn);
}

// -- memory of the kernel --

void SimKernel::use_buffer() {
  Random& random = machine_.random();
  pfn_t pfn;
  if (random.chance(50) && some_page(PageUse::buffer, pfn)) {
    for (const auto& [ref, granted] : grants_)
      if (granted == pfn.raw()) return fill(pfn, random.next() | 1);
    if (random.chance(40)) return machine_.free_page(pfn);
    return fill(pfn, random.chance(10) ? 0 : random.next() | 1);
  }
  if (machine_.free_pages() < kReserve * 2 || !machine_.alloc_page(pfn)) return;
  machine_.record(pfn).use = PageUse::buffer;
  fill(pfn, random.chance(20) ? 0 : random.next() | 1);
}

void SimKernel::fill_memory(uint64_t pages) {
  const RunningGuest running(half_);
  machine_.run_on(0);
  pfn_t pfn;
  for (; pages > 0 && machine_.free_pages() > kReserve * 2 && machine_.alloc_page(pfn); --pages) {
    machine_.record(pfn).use = PageUse::buffer;
    fill(pfn, machine_.random().next() | 1);
  }
  put_away();
}

// Gives memory back, or takes some: also at pfns that never had any, for which the p2m grows.
void SimKernel::balloon() {
  Random& random = machine_.random();
  pfn_t pfn;
  for (uint64_t n = 1 + random.below(6); n > 0; --n) {
    if (random.chance(45)) {
      if (machine_.free_pages() < kReserve * 2 || !machine_.take_free(pfn)) return;
      if (half_.pages.out(pfn))
        machine_.record(pfn).use = PageUse::absent;
      else
        machine_.add_free(pfn);
    } else if (some_page(PageUse::absent, pfn)) {
      if (!half_.pages.in(pfn)) return;
      machine_.record(pfn).guest = {};
      machine_.add_free(pfn);
    }
  }
}

// Two pages of the kernel change places in the machine, as when memory that lies together is made.
void SimKernel::exchange_frames() {
  pfn_t a, b;
  if (!some_page(PageUse::buffer, a)) return;
  const uint64_t from = machine_.random().below(machine_.pfns());
  for (uint64_t i = 0;; ++i) {
    if (i == machine_.pfns()) return;
    b = pfn_t((from + i) % machine_.pfns());
    if (b != a && machine_.record(b).use == PageUse::buffer) break;
  }
  for (const auto& [ref, granted] : grants_)
    if (granted == a.raw() || granted == b.raw()) return;
  const uint64_t mfn_a = pfn_to_mfn(a.raw()), mfn_b = pfn_to_mfn(b.raw());
  set_pte_mfn(machine_.va_of(a), 0, {0});
  set_pte_mfn(machine_.va_of(b), 0, {0});
  if (!__set_phys_to_machine(a.raw(), INVALID_P2M_ENTRY) ||
      !__set_phys_to_machine(b.raw(), INVALID_P2M_ENTRY))
    machine_.bug("a page without a leaf of the p2m");
  const abi::mmu_update updates[2] = {{mfn_a << kPageShift | abi::kMachphysUpdate, b.raw()},
                                      {mfn_b << kPageShift | abi::kMachphysUpdate, a.raw()}};
  half_.core.must(machine_.hypercall(abi::kMmuUpdate, address(updates), 2, 0, abi::kDomidSelf, 0),
                  "the M2P cannot be changed");
  if (!__set_phys_to_machine(a.raw(), mfn_b) || !__set_phys_to_machine(b.raw(), mfn_a))
    machine_.bug("a page without a leaf of the p2m");
  set_pte_mfn(machine_.va_of(a), mfn_b, {kKernelReadWrite});
  set_pte_mfn(machine_.va_of(b), mfn_a, {kKernelReadWrite});
  std::swap(machine_.record(a).content, machine_.record(b).content);
}

// -- other domains --

void SimKernel::map_foreign() {
  Random& random = machine_.random();
  pfn_t pfn;
  if (random.chance(40) && some_page(PageUse::foreign, pfn)) return unmap_foreign(pfn);
  if (neighbour_.count == 0 || !some_page(PageUse::absent, pfn)) return;
  const uint32_t index = static_cast<uint32_t>(random.below(std::min(neighbour_.count, 64u)));
  if (neighbour_.in_use >> index & 1) return;
  gnttab_map_grant_ref_t map{};
  map.host_addr = machine_.va_of(pfn);
  map.flags = GNTMAP_host_map;
  map.ref = neighbour_.first + index;
  map.dom = neighbour_.domid;
  half_.core.must(machine_.hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
                                     address(&map), 1, 0, 0),
                  "grants cannot be mapped");
  if (map.status != GNTST_okay) return;
  PageRecord& r = machine_.record(pfn);
  r.use = PageUse::foreign;
  r.handle = map.handle;
  r.content = index;
  neighbour_.in_use |= uint64_t{1} << index;
  if (!half_.pages.set_foreign(pfn, mfn_t(map.dev_bus_addr >> kPageShift))) unmap_foreign(pfn);
}

void SimKernel::unmap_foreign(pfn_t pfn) {
  PageRecord& r = machine_.record(pfn);
  // Without a leaf of the p2m nothing was set.
  static_cast<void>(half_.pages.clear_foreign(pfn));
  gnttab_unmap_grant_ref_t unmap{};
  unmap.host_addr = machine_.va_of(pfn);
  unmap.handle = r.handle;
  half_.core.must(machine_.hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
                                     address(&unmap), 1, 0, 0),
                  "grants cannot be unmapped");
  if (unmap.status != GNTST_okay) machine_.bug("a grant cannot be unmapped");
  neighbour_.in_use &= ~(uint64_t{1} << r.content);
  r = {};
}

// Lets domain 0 at a buffer, or ends that. References below 8 are the toolstack's.
void SimKernel::grant() {
  Random& random = machine_.random();
  const uint32_t reference = static_cast<uint32_t>(8 + random.below(1000));
  if (!grants_.empty() && random.chance(50)) {
    const auto it = grants_.begin();
    machine_.store(kGrantVa + 8 * it->first, 0);
    grants_.erase(it);
    return;
  }
  pfn_t pfn;
  if (grants_.size() < 6 && !grants_.contains(reference) && some_page(PageUse::buffer, pfn)) {
    grants_[reference] = pfn.raw();
    write_grants();
  }
}

void SimKernel::write_grants() {
  for (const auto& [reference, pfn] : grants_) {
    const grant_entry_v1_t entry{GTF_permit_access, 0, static_cast<uint32_t>(pfn_to_mfn(pfn))};
    uint64_t word = 0;
    memcpy(&word, &entry, sizeof word);
    machine_.store(kGrantVa + 8 * reference, word);
  }
}

// -- vCPUs --

void SimKernel::hotplug_vcpu() {
  if (vcpus_ == 1) return;
  const unsigned cpu = static_cast<unsigned>(1 + machine_.random().below(vcpus_ - 1));
  if (!machine_.cpu_online(cpu)) {
    machine_.run_on(0);
    return bring_up(cpu);
  }
  machine_.run_on(cpu);
  switch_to(nullptr);
  machine_.run_on(0);
  half_.core.must(machine_.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, cpu, 0, 0, 0),
                  "vCPU does not go down");
  machine_.set_online(cpu, false);
}

}  // namespace ferry::sim
