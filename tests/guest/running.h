// A guest in the midst of its life, about to be suspended.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/test_guest.h"

namespace ferry {

// A guest with vCPUs that placed their vcpu_infos and runstates, timers and IPIs.
struct Running {
  explicit Running(uint32_t seed = 1, p2m_form form = p2m_form::tree, bool frame_lists = true)
      : t(seed, form) {
    if (frame_lists) t.kernel.memory(t.kernel.start_info().raw())[abi::kStartInfoFlags / 8] = 0;
    t.booted();
    pfn_t info, runstate;
    if (!t.kernel.alloc_page(info) || !t.kernel.alloc_page(runstate))
      throw std::logic_error("out of memory");
    for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu) {
      info_va[cpu] = t.kernel.va_of(info) + 64 * (cpu + 3);
      if (!t.g.cpus.add(cpu, info_va[cpu], t.kernel.va_of(runstate) + 128 * cpu))
        throw std::logic_error("vcpu");
      t.domain.vcpus[cpu].up = cpu == 0;
      if (!t.g.cpus.setup(cpu)) throw std::logic_error("placement");
      t.domain.vcpus[cpu].up = cpu != kOffline;
    }
    for (unsigned cpu = 0; cpu < kOffline; ++cpu) {
      handles.push_back(t.g.ports.bind_virq(0, cpu));
      handles.push_back(t.g.ports.bind_ipi(cpu));
    }
    t.domain.while_suspended = [this] { check_suspended(); };
  }

  // What must be true when Xen is asked.
  void check_suspended() {
    EXPECT_TRUE(t.kernel.irqs_masked());
    EXPECT_EQ(t.xen.translate(0, kSharedInfoVa, false), 0u);
    EXPECT_EQ(t.xen.translate(0, kGrantVa, false), 0u);
    EXPECT_EQ(t.g.core.shared_info_va, t.info.dummy_va);
    EXPECT_FALSE(t.g.core.calls.waiting_anywhere());
    for (uint64_t pgd = t.g.core.first_pgd; pgd != kNoPage;
         pgd = t.kernel.page(pfn_t(pgd)).next_pgd) {
      EXPECT_TRUE(t.xen.frame(t.kernel.mfn(pgd)).pinned);
      EXPECT_TRUE(t.xen.frame(t.kernel.mfn(t.kernel.page(pfn_t(pgd)).user_pgd)).pinned);
    }
    const Page& s = t.kernel.memory(t.kernel.start_info().raw());
    EXPECT_EQ(s[abi::kStartInfoStoreMfn / 8], t.kernel.store_page().raw());
    EXPECT_EQ(s[abi::kStartInfoConsoleMfn / 8], t.kernel.console_page().raw());
  }

  suspend_result suspend(AtSuspend how) {
    t.domain.at_suspend = how;
    t.kernel.run_on(0);
    t.kernel.mask_all_cpus(true);
    const suspend_result result = t.g.suspender.suspend_now();
    t.kernel.mask_all_cpus(false);
    return result;
  }

  // What must be true afterwards, whichever way it went.
  void check_after() {
    const Page& s = t.kernel.memory(t.kernel.start_info().raw());
    RC_ASSERT(s[abi::kStartInfoStoreMfn / 8] == t.kernel.mfn(t.kernel.store_page().raw()));
    RC_ASSERT(s[abi::kStartInfoConsoleMfn / 8] == t.kernel.mfn(t.kernel.console_page().raw()));
    RC_ASSERT((t.xen.translate(0, kSharedInfoVa, false) >> 12 & (kFrameLimit - 1)) ==
              t.kernel.shared_info_mfn());
    for (uint32_t i = 0; i < 3; ++i)
      RC_ASSERT((t.xen.translate(0, kGrantVa + i * 4096, false) >> 12 & (kFrameLimit - 1)) ==
                t.domain.grant_mfn(i));
    for (uint64_t pfn = 0; pfn < t.kernel.nr_pages(); ++pfn)
      RC_ASSERT(t.g.core.p2m.get(pfn_t(pfn)) == t.kernel.mfn(pfn));
    for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu) {
      const auto& v = t.domain.vcpus[cpu];
      RC_ASSERT(v.info_mfn == t.g.core.machine_address_of(info_va[cpu]) >> 12);
      RC_ASSERT(v.info_offset == info_va[cpu] % 4096);
      RC_ASSERT(v.runstate != 0u);
    }
    for (int handle : handles) {
      RC_ASSERT(t.domain.ports.contains(t.g.ports.port_of(handle)));
      RC_ASSERT(!t.domain.masked(t.g.ports.port_of(handle)));
    }
  }

  static constexpr unsigned kOffline = TestKernel::kMaxCpus - 1;
  TestGuest t;
  uint64_t info_va[TestKernel::kMaxCpus];
  std::vector<int> handles;
};

}  // namespace ferry
