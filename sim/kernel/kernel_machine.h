// The guest half's policy type over the simulated machine: memory through the vCPU's page tables,
// hypercalls through the dispatcher, and the parts of a kernel that the guest half calls.
//
// It looks after its user: a lock taken twice, a page freed twice or a fault in the kernel's own
// memory is a crash of the guest, which is thrown.
#pragma once

#include <array>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "sim/kernel/page_record.h"
#include "sim/machine/guest_access.h"
#include "sim/machine/hypercall.h"
#include "sim/machine/random.h"

namespace ferry::sim {

// The guest has done, or met, what a kernel does not survive.
struct KernelCrash : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where the kernel sees its memory, its p2m, and what is not its own.
inline constexpr uint64_t kDirectMap = 0xffff880000000000;
inline constexpr uint64_t kP2mArea = 0xffffc90000000000;
inline constexpr uint64_t kFixmap = 0xffffffffff400000;
inline constexpr uint64_t kSharedInfoVa = kFixmap + 0x1ff000;
inline constexpr uint64_t kGrantVa = kFixmap + 0x100000;

class KernelMachine {
 public:
  static constexpr unsigned kMaxCpus = 4;

  KernelMachine(Host& host, DomainNumber domid) : host_(&host), domid_(domid) {}

  Host& host() const { return *host_; }
  DomainNumber domid() const { return domid_; }
  Domain& domain();

  // -- guest/machine.h and p2m/kernel_memory.h -- Of a fault Xen tells the vCPU the address.
  int64_t hypercall(unsigned number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5);
  uint64_t load(uint64_t va);
  void store(uint64_t va, uint64_t value);
  void store_byte(uint64_t va, uint8_t value);
  bool try_load(uint64_t va, uint64_t& value);
  bool try_store(uint64_t va, uint64_t value);
  uint64_t va_of(pfn_t pfn) const { return kDirectMap + (pfn.raw() << kPageShift); }
  pfn_t pfn_of(uint64_t va) const;
  bool in_direct_map(uint64_t va) const {
    return va >= kDirectMap && va < va_of(pfn_t(pages_.size()));
  }
  bool alloc_page(pfn_t& pfn);
  void free_page(pfn_t pfn);
  guest_page& page(pfn_t pfn) { return record(pfn).guest; }
  unsigned this_cpu() const { return cpu_; }
  bool cpu_online(unsigned cpu) const { return online_[cpu]; }
  uint64_t irq_save();
  void irq_restore(uint64_t was) { irqs_off_[cpu_] = was; }
  bool irqs_masked() const { return irqs_off_[cpu_] != 0; }
  void lock_table(pfn_t pfn);
  void unlock_table(pfn_t pfn);
  void lock_pgds() { toggle(pgds_locked_, true); }
  void unlock_pgds() { toggle(pgds_locked_, false); }
  void lock_p2m() { toggle(p2m_locked_, true); }
  void unlock_p2m() { toggle(p2m_locked_, false); }
  void call_on(unsigned cpu, void (*function)(void*), void* argument);
  void warn(const char* sentence) { bug(sentence); }
  [[noreturn]] void bug(const std::string& sentence) const { throw KernelCrash(sentence); }

  // -- for the kernel above --
  void start(uint64_t pfns) { pages_.assign(pfns, {}); }
  void run_on(unsigned cpu) { cpu_ = cpu; }
  void set_online(unsigned cpu, bool online) { online_[cpu] = online; }
  void mask_all(bool masked) { irqs_off_.fill(masked); }
  // No lock held, interrupts on: what must be true between two things that the kernel does.
  bool at_rest() const;

  PageRecord& record(pfn_t pfn) {
    if (pfn.raw() >= pages_.size()) bug("pfn beyond the kernel's memory");
    return pages_[pfn.raw()];
  }
  const PageRecord& record(pfn_t pfn) const { return pages_.at(pfn.raw()); }
  uint64_t pfns() const { return pages_.size(); }
  uint64_t free_pages() const { return free_.size(); }
  // A page with memory that nobody has had yet joins the allocator's, or leaves them.
  void add_free(pfn_t pfn);
  bool take_free(pfn_t& pfn);

  // All 4096 bytes of a page, through the direct map.
  void read_page(pfn_t pfn, uint8_t* bytes);
  void write_page(pfn_t pfn, const uint8_t* bytes);
  // The same at a user address, in user mode of this vCPU. False: a fault, whose address Xen has
  // put where the guest reads it.
  bool user_read(uint64_t va, uint8_t* bytes);
  bool user_write(uint64_t va, const uint8_t* bytes);

  // Runs after each hypercall of the guest.
  void set_after_hypercall(std::function<void()> hook) { after_hypercall_ = std::move(hook); }
  uint64_t refused_calls() const { return refused_; }

  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(pages_), visit(free_), visit(online_), visit(random_), visit(irqs_off_);
  }

  Random& random() { return random_; }

 private:
  void toggle(bool& lock, bool to) {
    if (lock == to) bug("lock taken twice or not held");
    lock = to;
  }
  template <typename Access>
  bool in_user_mode(uint64_t va, const Access& access);

  Host* host_;
  DomainNumber domid_;
  std::vector<PageRecord> pages_;
  std::vector<uint64_t> free_;
  std::array<bool, kMaxCpus> online_{};
  Random random_{1};
  std::array<uint64_t, kMaxCpus> irqs_off_{};
  // Empty and false at rest.
  unsigned cpu_ = 0;
  std::set<uint64_t> locked_;
  bool pgds_locked_ = false, p2m_locked_ = false;
  uint64_t refused_ = 0;
  std::function<void()> after_hypercall_;
};

}  // namespace ferry::sim
