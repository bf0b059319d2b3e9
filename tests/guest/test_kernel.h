// A kernel for tests of the guest half: booted by a small domain builder on FakeXen, it is the
// Machine policy, and it looks after whoever uses it: locks, interrupts, pages given back twice.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "guest/abi.h"
#include "guest/kernel_map.h"
#include "guest/machine.h"
#include "tests/guest/fake_xen.h"

namespace ferry {

constexpr uint64_t kDirectMap = 0xffff880000000000;
constexpr uint64_t kP2mArea = 0xffffc90000000000;
constexpr uint64_t kFixmap = 0xffffffffff400000;  // a table of its own, empty at first

class TestKernel {
 public:
  static constexpr unsigned kMaxCpus = 4;

  TestKernel(FakeXen& xen, uint64_t nr_pages, uint32_t seed)
      : xen_(xen), random_(seed), nr_pages_(nr_pages), pages_(nr_pages) {
    choose_frames();
    build();
  }

  // The machine.
  int64_t hypercall(unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
    return xen_.hypercall(cpu_, nr, a1, a2, a3, a4, a5);
  }
  uint64_t load(uint64_t va) { return xen_.load(cpu_, va); }
  void store(uint64_t va, uint64_t value) {
    ++stores;
    xen_.store(cpu_, va, value);
  }
  void store_byte(uint64_t va, uint8_t value) {
    const unsigned shift = va % 8 * 8;
    const uint64_t word = load(va - va % 8) & ~(uint64_t{0xff} << shift);
    store(va - va % 8, word | uint64_t{value} << shift);
  }
  bool try_load(uint64_t va, uint64_t& value) {
    if (va >= kM2pVa + 8 * xen_.nr_frames() && va < kDirectMap) return false;
    value = load(va);
    return true;
  }
  bool try_store(uint64_t va, uint64_t value) {
    try {
      store(va, value);
    } catch (const GuestFault&) {
      return false;
    }
    return true;
  }
  uint64_t va_of(pfn_t pfn) const { return kDirectMap + (pfn.raw() << 12); }
  pfn_t pfn_of(uint64_t va) const {
    if (!in_direct_map(va)) throw GuestCrash("not in the direct map");
    return pfn_t((va - kDirectMap) >> 12);
  }
  bool in_direct_map(uint64_t va) const {
    return va >= kDirectMap && va < kDirectMap + (nr_pages_ << 12);
  }
  bool alloc_page(pfn_t& pfn) {
    if (p2m_locked_) throw GuestCrash("allocation under the p2m lock");
    if (free_.empty() || fail_allocations) return false;
    const size_t at = random_() % free_.size();
    pfn = pfn_t(free_[at]);
    free_.erase(free_.begin() + static_cast<long>(at));
    for (uint64_t i = 0; i < 4096; i += 8) store(va_of(pfn) + i, 0xdead0000dead0001);
    return true;
  }
  void free_page(pfn_t pfn) {
    for (uint64_t free : free_)
      if (free == pfn.raw()) throw GuestCrash("page freed twice");
    free_.push_back(pfn.raw());
  }
  guest_page& page(pfn_t pfn) { return pages_.at(pfn.raw()); }
  unsigned this_cpu() const { return cpu_; }
  bool cpu_online(unsigned cpu) const { return cpu < kMaxCpus; }
  uint64_t irq_save() {
    const uint64_t was = irqs_off_[cpu_];
    irqs_off_[cpu_] = 1;
    return was;
  }
  void irq_restore(uint64_t was) { irqs_off_[cpu_] = was; }
  bool irqs_masked() const { return irqs_off_[cpu_] != 0; }
  void lock_table(pfn_t pfn) {
    if (!irqs_masked()) throw GuestCrash("table locked with interrupts on");
    if (!locked_.insert(pfn.raw()).second) throw GuestCrash("table locked twice");
    if (locked_.size() > 32) throw GuestCrash("more tables locked than fit in a batch");
  }
  void unlock_table(pfn_t pfn) {
    if (locked_.erase(pfn.raw()) != 1) throw GuestCrash("table unlocked that was not locked");
  }
  void lock_pgds() { toggle(pgds_locked_, true); }
  void unlock_pgds() { toggle(pgds_locked_, false); }
  void lock_p2m() { toggle(p2m_locked_, true); }
  void unlock_p2m() { toggle(p2m_locked_, false); }
  void call_on(unsigned cpu, void (*function)(void*), void* argument) {
    const unsigned was = std::exchange(cpu_, cpu);
    const uint64_t irq = irq_save();
    function(argument);
    irq_restore(irq);
    cpu_ = was;
  }
  void warn(const char*) { ++warnings; }
  [[noreturn]] void bug(const char* sentence) { throw GuestCrash(sentence); }

  // For tests.
  void run_on(unsigned cpu) { cpu_ = cpu; }
  bool at_rest() const {
    return locked_.empty() && !pgds_locked_ && !p2m_locked_ &&
           irqs_off_ == std::array<uint64_t, 4>{};
  }
  const std::set<uint64_t>& locked() const { return locked_; }
  uint64_t mfn(uint64_t pfn) const { return mfns_.at(pfn); }
  uint64_t nr_pages() const { return nr_pages_; }
  size_t free_pages() const { return free_.size(); }
  pfn_t init_pgd() const { return pfn_t(tables_.front()); }
  const std::vector<uint64_t>& builder_tables() const { return tables_; }
  uint64_t mfn_list_va() const { return va_of(pfn_t(0)); }
  pfn_t start_info() const { return start_info_; }
  pfn_t store_page() const { return store_page_; }
  pfn_t console_page() const { return console_page_; }
  uint64_t shared_info_mfn() const { return shared_info_mfn_; }
  void mask_all_cpus(bool masked) { irqs_off_.fill(masked); }
  Page& memory(uint64_t pfn) { return xen_.frame(mfns_.at(pfn)).page; }
  std::mt19937_64& random() { return random_; }
  uint64_t warnings = 0, stores = 0;
  bool fail_allocations = false;

 private:
  friend class FakeDomain;

  static void toggle(bool& lock, bool to) {
    if (lock == to) throw GuestCrash("lock taken twice or not held");
    lock = to;
  }

  // Half of the host is ours, in no order. The frames of others have numbers like ours in the M2P.
  void choose_frames() {
    std::vector<uint64_t> all;
    for (uint64_t mfn = 1; mfn < xen_.nr_frames(); ++mfn) all.push_back(mfn);
    std::shuffle(all.begin(), all.end(), random_);
    mfns_.assign(all.begin(), all.begin() + static_cast<long>(nr_pages_));
    for (uint64_t mfn = 0; mfn < xen_.nr_frames(); ++mfn) {
      xen_.m2p(mfn) = random_() % nr_pages_;
      xen_.frame(mfn).owner = FakeXen::other_domain;
    }
    for (uint64_t pfn = 0; pfn < nr_pages_; ++pfn) {
      xen_.m2p(mfns_[pfn]) = pfn;
      xen_.frame(mfns_[pfn]).owner = FakeXen::guest;
    }
    shared_info_mfn_ = all[nr_pages_];
    xen_.frame(shared_info_mfn_).owner = FakeXen::xen_heap;
    xen_.frame(shared_info_mfn_).page = {};
    for (unsigned cpu = 0; cpu < 32; ++cpu) xen_.frame(shared_info_mfn_).page[cpu * 8] = 0x100;
  }

  void build() {
    uint64_t next = 0;
    for (; next * 512 < nr_pages_; ++next)
      for (uint64_t i = 0; i < 512; ++i)
        memory(next)[i] = next * 512 + i < nr_pages_ ? mfns_[next * 512 + i] : random_() >> 30;
    start_info_ = pfn_t(next++);
    store_page_ = pfn_t(next++);
    console_page_ = pfn_t(next++);
    next_table_ = next;
    tables_.push_back(next_table_++);
    for (uint64_t pfn = 0; pfn < nr_pages_; ++pfn)
      *entry(kDirectMap + (pfn << 12)) = mfns_[pfn] << 12 | kKernelReadWrite;
    entry(kFixmap);
    for (uint64_t table : tables_) *entry(kDirectMap + (table << 12)) &= ~kPteRw;
    for (uint64_t pfn = next_table_; pfn < nr_pages_; ++pfn) free_.push_back(pfn);
    write_start_info();
    if (xen_.pin(mfns_[tables_[0]], FakeXen::l4) != 0) throw std::logic_error("builder: pin");
    for (unsigned cpu = 0; cpu < kMaxCpus; ++cpu)
      if (xen_.load_base(mfns_[tables_[0]], xen_.cpu(cpu).cr3) != 0)
        throw std::logic_error("builder: cr3");
  }
  void write_start_info() {
    Page& s = memory(start_info_.raw());
    s[abi::kStartInfoNrPages / 8] = nr_pages_;
    s[abi::kStartInfoSharedInfo / 8] = shared_info_mfn_ << 12;
    s[abi::kStartInfoFlags / 8] = abi::kSifVirtP2m4tools;
    s[abi::kStartInfoStoreMfn / 8] = mfns_[store_page_.raw()];
    s[abi::kStartInfoConsoleMfn / 8] = mfns_[console_page_.raw()];
    s[abi::kStartInfoStoreEvtchn / 8] = 1;
    s[abi::kStartInfoConsoleEvtchn / 8] = 2;
  }
  // The L1 entry for a va in the tables being built, with the tables above it.
  uint64_t* entry(uint64_t va) {
    uint64_t table = tables_.front();
    for (unsigned level = 4;; --level) {
      uint64_t& e = memory(table)[va >> (12 + 9 * (level - 1)) & 511];
      if (level == 1) return &e;
      if (e == 0) {
        e = mfns_[next_table_] << 12 | 0x67;
        tables_.push_back(next_table_++);
      }
      table = xen_.m2p(e >> 12 & (kFrameLimit - 1));
    }
  }

  FakeXen& xen_;
  std::mt19937_64 random_;
  uint64_t nr_pages_;
  std::vector<guest_page> pages_;
  std::vector<uint64_t> mfns_, free_, tables_;
  uint64_t next_table_ = 0;
  pfn_t start_info_, store_page_, console_page_;
  uint64_t shared_info_mfn_ = 0;
  unsigned cpu_ = 0;
  std::array<uint64_t, 4> irqs_off_{};
  std::set<uint64_t> locked_;
  bool pgds_locked_ = false, p2m_locked_ = false;
};

}  // namespace ferry
