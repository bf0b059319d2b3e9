// Suspend and resume: cancelled, in a new domain, in the old one without telling, refused; again
// and again, with whatever processes and p2m the guest has.
#include "guest/suspend.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/running.h"
#include "tests/guest/world.h"

namespace ferry {
namespace {

TEST(Suspend, a_guest_can_be_saved_again_and_again_whatever_runs_in_it) {
  EXPECT_TRUE(rc::check([] {
    Running r(*rc::gen::arbitrary<uint32_t>(),
              *rc::gen::elementOf(std::vector<p2m_form>{p2m_form::tree, p2m_form::list}),
              *rc::gen::arbitrary<bool>());
    World world(r.t);
    for (int round = *rc::gen::inRange(1, 5); round > 0; --round) {
      for (int n = *rc::gen::inRange(0, 12); n > 0; --n) {
        world.step();
        world.check();
      }
      std::vector<bool> pinned;
      for (auto& space : world.spaces) pinned.push_back(space->pinned());
      const AtSuspend how = *rc::gen::elementOf(
          std::vector<AtSuspend>{AtSuspend::cancel, AtSuspend::new_domain, AtSuspend::new_domain,
                                 AtSuspend::resume_in_place});
      const uint64_t saves = r.t.domain.saves;
      const suspend_result result = r.suspend(how);
      RC_ASSERT(result ==
                (how == AtSuspend::cancel ? suspend_result::cancelled : suspend_result::resumed));
      RC_ASSERT(r.t.domain.saves == saves + 1);
      RC_ASSERT(!testing::Test::HasFailure());
      r.t.xen.calls.erase(
          std::remove_if(r.t.xen.calls.begin(), r.t.xen.calls.end(),
                         [&](const FakeXen::Call& c) {
                           // A guest that was not told learns it from these.
                           return how == AtSuspend::resume_in_place &&
                                  (c.nr == abi::kVcpuOp || c.nr == abi::kEventChannelOp);
                         }),
          r.t.xen.calls.end());
      r.check_after();
      world.check();
      for (size_t i = 0; i < pinned.size(); ++i) RC_ASSERT(world.spaces[i]->pinned() == pinned[i]);
    }
    while (!world.spaces.empty()) {
      world.spaces.back()->destroy();
      world.spaces.pop_back();
    }
    world.check();
  }));
}

// Everything there is of a guest that a program in it, or the toolstack, could notice.
struct Everything {
  explicit Everything(TestGuest& t) {
    for (uint64_t mfn = 0; mfn < t.xen.nr_frames(); ++mfn) {
      pages.push_back(t.xen.frame(mfn).page);
      state.emplace_back(t.xen.frame(mfn).pinned, t.xen.frame(mfn).count);
      m2p.push_back(t.xen.m2p(mfn));
    }
    for (uint64_t pfn = 0; pfn < t.kernel.nr_pages(); ++pfn) {
      const guest_page& p = t.kernel.page(pfn_t(pfn));
      state.emplace_back(p.pinned + 2 * p.xen_pinned + 4 * p.save_pinned, p.user_pgd);
    }
    for (const auto& [port, p] : t.domain.ports) state.emplace_back(port, p.vcpu);
    for (const auto& v : t.domain.vcpus) state.emplace_back(v.info_mfn, v.periodic_timer);
  }
  bool operator==(const Everything&) const = default;
  std::vector<Page> pages;
  std::vector<std::pair<uint64_t, uint64_t>> state;
  std::vector<uint64_t> m2p;
};

TEST(Suspend, a_cancelled_one_changes_nothing_at_all) {
  for (AtSuspend how : {AtSuspend::cancel, AtSuspend::refuse}) {
    for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
      Running r(5, form);
      // So that the p2m has changed its mapping since it was published, and a process is not
      // pinned.
      ASSERT_TRUE(r.t.g.core.p2m.set(pfn_t(2000), kInvalidP2mEntry - 1));
      ASSERT_TRUE(r.t.g.core.p2m.set(pfn_t(2000), kInvalidP2mEntry));
      AddressSpace pinned(r.t), loose(r.t);
      pinned.map(0x1000, true);
      loose.map(0x2000, true);
      r.t.g.pins.pin(pinned.pgd());
      // What Xen adds to entries when it first sees them stays.
      EXPECT_EQ(r.suspend(how),
                how == AtSuspend::cancel ? suspend_result::cancelled : suspend_result::refused);
      const Everything before(r.t);
      for (int n = 0; n < 3; ++n) r.suspend(how);
      const Everything after(r.t);
      EXPECT_TRUE(before.state == after.state);
      EXPECT_TRUE(before.m2p == after.m2p);
      for (size_t mfn = 0; mfn < before.pages.size(); ++mfn)
        for (size_t i = 0; i < 512; ++i)
          EXPECT_EQ(before.pages[mfn][i], after.pages[mfn][i]) << "mfn " << mfn << " word " << i;
    }
  }
}

// In pfn form two saves in a row are the same, but for frame lists and what Xen itself writes.
TEST(Suspend, a_new_domain_is_the_old_one_up_to_machine_frames) {
  for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
    Running r(7, form, form == p2m_form::tree);
    AddressSpace space(r.t);
    for (uint64_t i = 0; i < 50; ++i) space.map(i << 21 | 0x3000, i % 2 != 0);
    ASSERT_TRUE(r.t.g.core.p2m.set_identity(pfn_t(2048), pfn_t(2560)));
    r.suspend(AtSuspend::new_domain);
    std::vector<FakeDomain::Image> images;
    r.t.domain.while_suspended = [&] {
      images.push_back(r.t.domain.save(r.t.kernel.mfn(r.t.kernel.start_info().raw())));
    };
    for (int n = 0; n < 2; ++n)
      ASSERT_EQ(r.suspend(AtSuspend::new_domain), suspend_result::resumed);
    ASSERT_EQ(images.size(), 2u);
    EXPECT_EQ(images[0].types, images[1].types);
    EXPECT_EQ(images[0].pinned, images[1].pinned);
    EXPECT_EQ(images[0].bases, images[1].bases);
    const uint64_t info_page = r.t.kernel.pfn_of(r.info_va[0]).raw();
    for (const auto& [pfn, page] : images[0].pages) {
      if (images[0].lists.contains(pfn) || pfn == info_page) continue;
      Page a = page, b = images[1].pages.at(pfn);
      if (pfn == images[0].start_info) a[5] = b[5] = 0;  // where shared_info is
      EXPECT_TRUE(a == b) << "pfn " << pfn;
    }
    EXPECT_EQ(r.t.g.core.p2m.get(pfn_t(2100)), identity_frame(pfn_t(2100)));
  }
}

// The slot in shared_info is what the source's was at its boot; a vcpu_info that is placed gets its
// mask from there.
TEST(Suspend, no_event_is_delivered_before_the_guest_lets_it) {
  Running r;
  for (unsigned cpu = 0; cpu < 32; ++cpu) r.t.domain.shared_info()[cpu * 8] = 0;
  EXPECT_EQ(r.suspend(AtSuspend::new_domain), suspend_result::resumed);
  for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu)
    EXPECT_TRUE(r.t.domain.upcall_masked(cpu));
}

TEST(Suspend, ports_are_new_ones_in_a_new_domain_and_the_old_ones_otherwise) {
  Running r;
  r.t.g.ports.unmask(1);
  std::vector<uint32_t> before;
  for (int handle : r.handles) before.push_back(r.t.g.ports.port_of(handle));
  r.suspend(AtSuspend::cancel);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(r.t.g.ports.port_of(r.handles[i]), before[i]);
  const size_t bound = r.t.domain.ports.size();
  r.suspend(AtSuspend::resume_in_place);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(r.t.g.ports.port_of(r.handles[i]), before[i]);
  EXPECT_EQ(r.t.domain.ports.size(), bound);
  EXPECT_TRUE(r.t.domain.masked(1)) << "xenstore's driver comes later";
  r.suspend(AtSuspend::new_domain);
  EXPECT_EQ(r.t.domain.ports.size(), bound);
  r.check_after();
  EXPECT_TRUE(r.t.domain.masked(77));
}

TEST(Suspend, is_a_bug_on_another_vcpu_with_interrupts_on_or_with_hypercalls_waiting) {
  Running r;
  r.t.kernel.run_on(1);
  r.t.kernel.mask_all_cpus(true);
  EXPECT_THROW(r.t.g.suspender.suspend_now(), GuestCrash);
  r.t.kernel.run_on(0);
  r.t.kernel.mask_all_cpus(false);
  EXPECT_THROW(r.t.g.suspender.suspend_now(), GuestCrash);
  r.t.kernel.run_on(2);
  r.t.g.core.calls.enter_lazy(lazy_mode::mmu);
  r.t.g.tables.flush_tlb();
  r.t.kernel.run_on(0);
  r.t.kernel.mask_all_cpus(true);
  EXPECT_THROW(r.t.g.suspender.suspend_now(), GuestCrash);
}

// The test of the tests: a mapping that was forgotten would be seen.
TEST(Suspend, a_forgotten_mapping_of_xens_frames_fails_the_save) {
  Running r;
  r.t.g.tables.set_pte_mfn(kFixmap, mfn_t(r.t.domain.grant_mfn(0)), kPtePresent);
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(&failures);
    r.suspend(AtSuspend::cancel);
  }
  ASSERT_EQ(failures.size(), 1);
  EXPECT_NE(std::string(failures.GetTestPartResult(0).message()).find("not the guest's own"),
            std::string::npos);
}

// The kernel's hooks, and a failure of each that may fail.
struct Hooks {
  TestGuest& t;
  std::string log;
  int freeze_result = 0, devices_result = 0;
  bool asked_again = false;
  int freeze() {
    log += "freeze ";
    return freeze_result;
  }
  void thaw() { log += "thaw "; }
  int suspend_devices() {
    log += "devices ";
    return devices_result;
  }
  void resume_devices(int cancelled) { log += cancelled ? "devices! " : "devices+ "; }
  void suspend_store() { log += "store "; }
  void resume_store(int cancelled, unsigned port) {
    log += (cancelled ? "store! " : "store+ ") + std::to_string(port) + " ";
  }
  void resume_console(unsigned port) { log += "console " + std::to_string(port) + " "; }
  void stop_machine(void (*function)(void*), void* argument) {
    log += "( ";
    EXPECT_TRUE(t.g.suspender.busy());
    if (asked_again) {
      Hooks other{t, "", 0, 0, false};
      EXPECT_EQ(t.g.suspender.suspend(other), suspend_result::not_tried);
      EXPECT_EQ(other.log, "");
    }
    t.kernel.mask_all_cpus(true);
    function(argument);
    t.kernel.mask_all_cpus(false);
    log += ") ";
  }
};

TEST(SuspendHooks, run_in_order_and_are_told_how_it_went) {
  Running r;
  Hooks hooks{r.t, "", 0, 0, true};
  r.t.domain.at_suspend = AtSuspend::new_domain;
  EXPECT_EQ(r.t.g.suspender.suspend(hooks), suspend_result::resumed);
  EXPECT_EQ(hooks.log, "freeze devices store ( ) console 2 store+ 1 devices+ thaw ");
  hooks.log.clear();
  r.t.domain.at_suspend = AtSuspend::cancel;
  EXPECT_EQ(r.t.g.suspender.suspend(hooks), suspend_result::cancelled);
  EXPECT_EQ(hooks.log, "freeze devices store ( ) store! 1 devices! thaw ");
  EXPECT_FALSE(r.t.g.suspender.busy());
}

TEST(SuspendHooks, a_kernel_that_cannot_get_ready_goes_on_as_before) {
  Running r;
  Hooks hooks{r.t, "", 0, 0, false};
  hooks.freeze_result = -1;
  EXPECT_EQ(r.t.g.suspender.suspend(hooks), suspend_result::not_tried);
  EXPECT_EQ(hooks.log, "freeze ");
  hooks.freeze_result = 0;
  hooks.devices_result = -1;
  hooks.log.clear();
  EXPECT_EQ(r.t.g.suspender.suspend(hooks), suspend_result::not_tried);
  EXPECT_EQ(hooks.log, "freeze devices thaw ");
  EXPECT_FALSE(r.t.g.suspender.busy());
  EXPECT_EQ(r.t.domain.saves, 0u);
}

}  // namespace
}  // namespace ferry
