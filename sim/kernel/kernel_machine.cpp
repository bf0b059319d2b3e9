// The simulated kernel's memory, locks and hypercalls.
#include "sim/kernel/kernel_machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "error/error.h"
#include "p2m/m2p.h"
#include "sim/kernel/current.h"

namespace ferry::sim {

static_assert(guest_machine<KernelMachine>);

namespace {

// Xen's own table, which every guest may read and which is in no table of the guest's.
bool in_m2p(uint64_t va) {
  return va >= kM2pVa && va < kM2pVa + 8 * kM2pEntries;
}

}  // namespace

Domain& KernelMachine::domain() {
  Domain* d = host_->find_domain(domid_);
  if (!d) bug("the domain is gone");
  return *d;
}

int64_t KernelMachine::hypercall(unsigned number, uint64_t a1, uint64_t a2, uint64_t a3,
                                 uint64_t a4, uint64_t a5) {
  const uint64_t args[5] = {a1, a2, a3, a4, a5};
  const int64_t result = sim::hypercall(*host_, {domid_, cpu_}, number, args);
  if (result < 0) ++refused_;
  if (after_hypercall_) after_hypercall_();
  return result;
}

bool KernelMachine::try_load(uint64_t va, uint64_t& value) {
  if (in_m2p(va)) {
    const mfn_t mfn((va - kM2pVa) / 8);
    if (mfn.raw() >= host_->state().max_page) return false;
    value = host_->m2p(mfn);
    return true;
  }
  const AccessResult result = guest_read(*host_, domain(), cpu_, va, &value, sizeof value);
  if (!result.ok) deliver_page_fault(*host_, domain(), cpu_, result.cr2);
  return result.ok;
}

uint64_t KernelMachine::load(uint64_t va) {
  uint64_t value = 0;
  if (!try_load(va, value)) bug(fmt::format("page fault in the kernel: read of {:#x}", va));
  return value;
}

bool KernelMachine::try_store(uint64_t va, uint64_t value) {
  const AccessResult result = guest_write(*host_, domain(), cpu_, va, &value, sizeof value);
  if (!result.ok) deliver_page_fault(*host_, domain(), cpu_, result.cr2);
  return result.ok;
}

void KernelMachine::store(uint64_t va, uint64_t value) {
  if (!try_store(va, value)) bug(fmt::format("page fault in the kernel: write to {:#x}", va));
}

void KernelMachine::store_byte(uint64_t va, uint8_t value) {
  if (!guest_write(*host_, domain(), cpu_, va, &value, 1).ok)
    bug(fmt::format("page fault in the kernel: write to {:#x}", va));
}

pfn_t KernelMachine::pfn_of(uint64_t va) const {
  if (!in_direct_map(va)) bug(fmt::format("{:#x} is not in the direct map", va));
  return pfn_t((va - kDirectMap) >> kPageShift);
}

bool KernelMachine::alloc_page(pfn_t& pfn) {
  if (p2m_locked_) bug("allocation under the lock of the p2m");
  if (!take_free(pfn)) return false;
  record(pfn).use = PageUse::kernel;
  return true;
}

void KernelMachine::free_page(pfn_t pfn) {
  PageRecord& r = record(pfn);
  if (r.use == PageUse::free || r.use == PageUse::absent) bug("page freed twice");
  if (r.guest.pinned) bug("page freed while it is a page table");
  r.guest = {};
  add_free(pfn);
}

void KernelMachine::add_free(pfn_t pfn) {
  record(pfn).use = PageUse::free;
  record(pfn).mappings = 0;
  free_.push_back(pfn.raw());
}

bool KernelMachine::take_free(pfn_t& pfn) {
  if (free_.empty()) return false;
  std::swap(free_[random_.below(free_.size())], free_.back());
  pfn = pfn_t(free_.back());
  free_.pop_back();
  return true;
}

uint64_t KernelMachine::irq_save() {
  const uint64_t was = irqs_off_[cpu_];
  irqs_off_[cpu_] = 1;
  return was;
}

void KernelMachine::lock_table(pfn_t pfn) {
  if (!irqs_masked()) bug("page table locked with interrupts on");
  if (!locked_.insert(pfn.raw()).second) bug("page table locked twice");
}

void KernelMachine::unlock_table(pfn_t pfn) {
  if (locked_.erase(pfn.raw()) != 1) bug("page table unlocked that was not locked");
}

void KernelMachine::call_on(unsigned cpu, void (*function)(void*), void* argument) {
  const unsigned was = std::exchange(cpu_, cpu);
  const uint64_t irq = irq_save();
  function(argument);
  irq_restore(irq);
  cpu_ = was;
}

bool KernelMachine::at_rest() const {
  return locked_.empty() && !pgds_locked_ && !p2m_locked_ &&
         std::all_of(irqs_off_.begin(), irqs_off_.end(), [](uint64_t off) { return off == 0; });
}

void KernelMachine::read_page(pfn_t pfn, uint8_t* bytes) {
  if (!guest_read(*host_, domain(), cpu_, va_of(pfn), bytes, kPageSize).ok)
    bug(fmt::format("page fault in the kernel: pfn {:#x}", pfn.raw()));
}

void KernelMachine::write_page(pfn_t pfn, const uint8_t* bytes) {
  if (!guest_write(*host_, domain(), cpu_, va_of(pfn), bytes, kPageSize).ok)
    bug(fmt::format("page fault in the kernel: pfn {:#x}", pfn.raw()));
}

template <typename Access>
bool KernelMachine::in_user_mode(uint64_t va, const Access& access) {
  Domain& d = domain();
  d.vcpus[cpu_].kernel_mode = 0;
  const AccessResult result = access(d);
  d.vcpus[cpu_].kernel_mode = 1;
  if (!result.ok) deliver_page_fault(*host_, d, cpu_, result.cr2);
  if (!result.ok && result.cr2 != va) bug("fault at another address");
  return result.ok;
}

bool KernelMachine::user_read(uint64_t va, uint8_t* bytes) {
  return in_user_mode(va,
                      [&](Domain& d) { return guest_read(*host_, d, cpu_, va, bytes, kPageSize); });
}

bool KernelMachine::user_write(uint64_t va, const uint8_t* bytes) {
  return in_user_mode(
      va, [&](Domain& d) { return guest_write(*host_, d, cpu_, va, bytes, kPageSize); });
}

}  // namespace ferry::sim
