// Processes that do this and that on several vCPUs, and what has to be true after each step.
#pragma once

#include <memory>

#include "tests/guest/address_space.h"

namespace ferry {

// No request may ever be refused, so no failure was hidden in a batch.
inline void check_calls(TestGuest& g) {
  RC_ASSERT(g.g.core.calls.failures() == 0u);
  RC_ASSERT(g.kernel.warnings == 0u);
  for (const auto& call : g.xen.calls) RC_ASSERT(call.result >= 0);
  g.xen.calls.clear();
  RC_ASSERT(g.kernel.at_rest());
}

// What the guest believes of its pages is what Xen has.
inline void check_flags(TestGuest& g) {
  for (uint64_t pfn = 0; pfn < g.kernel.nr_pages(); ++pfn) {
    const guest_page& page = g.kernel.page(pfn_t(pfn));
    const FakeXen::Frame& frame = g.xen.frame(g.kernel.mfn(pfn));
    const bool builders = pfn_t(pfn) == g.g.core.init_pgd;
    RC_ASSERT(page.xen_pinned == (frame.pinned && !builders));
    if (page.xen_pinned) RC_ASSERT(page.pinned);
    if (frame.count > 0 && frame.type <= FakeXen::l4) RC_ASSERT(page.pinned);
    if (page.pinned) RC_ASSERT(frame.count > 0 && frame.type != FakeXen::writable);
  }
}

inline uint64_t arbitrary_user_va() {
  const uint64_t slots[] = {0,          0x1000,         0x200000,      0x3ff000,
                            0x40000000, 0x7f0000000000, 0x7ffffffff000};
  return slots[*rc::gen::inRange<size_t>(0, 7)] + *rc::gen::inRange<uint64_t>(0, 1) * 0x1000;
}

struct World {
  explicit World(TestGuest& guest) : g(guest) {}
  TestGuest& g;
  std::vector<std::unique_ptr<AddressSpace>> spaces;

  AddressSpace& pick() { return *spaces[*rc::gen::inRange<size_t>(0, spaces.size())]; }

  void step() {
    g.kernel.run_on(*rc::gen::inRange(0u, 4u));
    const bool lazy = *rc::gen::inRange(0, 3) == 0;
    const int what = spaces.empty() ? 0 : *rc::gen::inRange(0, 10);
    if (lazy && what >= 2 && what <= 6) {
      g.g.core.calls.enter_lazy(lazy_mode::mmu);
      for (int i = *rc::gen::inRange(1, 6); i > 0; --i) change(*rc::gen::inRange(2, 7));
      g.g.core.calls.leave_lazy(lazy_mode::mmu);
      RC_ASSERT(!g.g.core.calls.waiting());
    } else {
      change(what);
    }
    for (auto& space : spaces) space->settle();
  }

  void change(int what) {
    switch (what) {
      case 0:
        if (spaces.size() < 4) spaces.push_back(std::make_unique<AddressSpace>(g));
        break;
      case 1:
        if (AddressSpace& s = pick(); !s.pinned()) g.g.pins.pin(s.pgd());
        break;
      case 2:
      case 3:
        pick().map(arbitrary_user_va(), *rc::gen::arbitrary<bool>());
        break;
      case 4:
        pick().unmap(arbitrary_user_va());
        break;
      case 5:
        pick().protect(arbitrary_user_va(), *rc::gen::arbitrary<bool>());
        break;
      case 6:
        pick().drop_l1(arbitrary_user_va());
        break;
      case 7: {
        // As a context switch does: pinned first, and put off to its end.
        AddressSpace& s = pick();
        if (!s.pinned()) g.g.pins.pin(s.pgd());
        g.g.core.calls.enter_lazy(lazy_mode::cpu);
        g.g.tables.write_cr3(s.pgd());
        RC_ASSERT(g.g.tables.read_cr3() == s.pgd());
        g.g.core.calls.leave_lazy(lazy_mode::cpu);
        RC_ASSERT(g.g.tables.current_cr3(g.kernel.this_cpu()) == s.pgd());
        break;
      }
      case 8:
        g.g.tables.write_cr3(g.g.core.init_pgd);
        break;
      case 9: {
        const size_t i = *rc::gen::inRange<size_t>(0, spaces.size());
        spaces[i]->destroy();
        spaces.erase(spaces.begin() + static_cast<long>(i));
        break;
      }
    }
  }

  void check() {
    check_calls(g);
    check_flags(g);
    for (auto& space : spaces) space->check();
    for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu) {
      RC_ASSERT(g.xen.cpu(cpu).cr3 == g.kernel.mfn(g.g.tables.current_cr3(cpu).raw()));
      const uint64_t user = g.kernel.page(g.g.tables.current_cr3(cpu)).user_pgd;
      RC_ASSERT(g.xen.cpu(cpu).user_cr3 == (user == kNoPage ? 0 : g.kernel.mfn(user)));
    }
  }
};

}  // namespace ferry
