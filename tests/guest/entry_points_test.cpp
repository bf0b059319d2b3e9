// The C entry points: a kernel in C uses them, several guests in turn, early and late operations.
#include <gtest/gtest.h>

#include "tests/guest/c_kernel.h"
#include "tests/guest/current_guest.h"

namespace ferry {
namespace {

TestGuest* on = nullptr;

void enter(TestGuest& t) {
  on = &t;
  set_current_guest(&t.g);
}
unsigned long alloc_zeroed() {
  pfn_t pfn;
  if (!on->kernel.alloc_page(pfn)) throw std::logic_error("out of memory");
  fill_page(on->kernel, on->kernel.va_of(pfn), 0);
  return pfn.raw();
}
void* address_of(unsigned long pfn) {
  return reinterpret_cast<void*>(on->kernel.va_of(pfn_t(pfn)));
}
unsigned long load(const void* at) {
  return on->kernel.load(reinterpret_cast<uint64_t>(at));
}
void store(void* at, unsigned long value) {
  on->kernel.store(reinterpret_cast<uint64_t>(at), value);
}
constexpr c_pages kPages{alloc_zeroed, address_of, load, store};

xen_boot_info info_of(const TestGuest& t) {
  return {
      .start_info_pfn = t.info.start_info.raw(),
      .init_pgd_pfn = t.info.init_pgd.raw(),
      .mfn_list = t.info.mfn_list_va,
      .linear_p2m = t.info.form == p2m_form::list,
      .p2m_area = t.info.p2m_area_va,
      .p2m_area_pfns = t.info.p2m_area_pfns,
      .shared_info = t.info.shared_info_va,
      .dummy = t.info.dummy_va,
      .grant_table = t.info.grant_va,
      .grant_frames = t.info.grant_frames,
      .devices = t.info.devices,
  };
}

void boot(TestGuest& t) {
  enter(t);
  const xen_boot_info info = info_of(t);
  ASSERT_EQ(c_boot(&info), 0);
}

struct Process {
  Process() {
    mm.pgd = static_cast<pgd_t*>(address_of(alloc_zeroed()));
    EXPECT_EQ(xen_mmu_ops()->pgd_alloc(&mm), 0);
  }
  mm_struct mm;
};

TEST(EntryPoints, a_kernel_in_c_runs_a_process) {
  TestGuest t;
  boot(t);
  Process p;
  const unsigned long data = alloc_zeroed();
  pte_t* pte = c_map(&kPages, &p.mm, 0x400000, data, 0x7);
  xen_mmu_ops()->enter_mmap(&p.mm);
  const unsigned long cr3 = t.kernel.pfn_of(reinterpret_cast<uint64_t>(p.mm.pgd)).raw() << 12;
  c_switch_to(cr3);
  EXPECT_EQ(xen_mmu_ops()->read_cr3(), cr3);
  EXPECT_EQ(t.g.core.calls.lazy(), lazy_mode::none);
  EXPECT_EQ(t.xen.translate(0, 0x400000, true) >> 12 & (kFrameLimit - 1), t.kernel.mfn(data));
  // More tables under a pinned L4, and a change of protection in lazy mode.
  c_map(&kPages, &p.mm, 0x7f0000000000, data, 0x5);
  xen_mmu_ops()->lazy_mmu.enter();
  EXPECT_EQ(c_write_protect(pte) & 2, 2u);
  xen_mmu_ops()->lazy_mmu.leave();
  EXPECT_EQ(t.xen.translate(0, 0x400000, true) & 2, 0u);
  EXPECT_EQ(t.xen.translate(0, 0x7f0000000000, true) >> 12 & (kFrameLimit - 1), t.kernel.mfn(data));
  xen_mmu_ops()->exit_mmap(&p.mm);
  EXPECT_EQ(xen_mmu_ops()->read_cr3(), t.g.core.init_pgd.raw() << 12);
  EXPECT_EQ(t.g.core.calls.failures(), 0u);
}

TEST(EntryPoints, guests_in_one_process_do_not_meet) {
  TestGuest a(1), b(2, p2m_form::list);
  boot(a);
  boot(b);
  std::vector<Process> processes;
  for (TestGuest* t : {&a, &b}) {
    enter(*t);
    processes.emplace_back();
    c_map(&kPages, &processes.back().mm, 0x1000, alloc_zeroed(), 0x7);
    ASSERT_TRUE(set_phys_to_machine(3000, FOREIGN_FRAME(t == &a ? 5UL : 6UL)));
  }
  enter(a);
  xen_mm_pin_all();
  EXPECT_EQ(get_phys_to_machine(3000), FOREIGN_FRAME(5UL));
  EXPECT_EQ(pfn_to_mfn(3000), 5u);
  enter(b);
  EXPECT_EQ(get_phys_to_machine(3000), FOREIGN_FRAME(6UL));
  const pfn_t pgd = b.kernel.pfn_of(reinterpret_cast<uint64_t>(processes[1].mm.pgd));
  EXPECT_FALSE(b.kernel.page(pgd).pinned);
  xen_pgd_pin(&processes[1].mm);
  xen_pgd_pin(&processes[1].mm);
  EXPECT_TRUE(b.kernel.page(pgd).pinned);
  xen_pgd_unpin(&processes[1].mm);
  xen_pgd_unpin(&processes[1].mm);
  EXPECT_EQ(b.g.core.calls.failures(), 0u);
  enter(a);
  xen_mm_unpin_all();
  EXPECT_EQ(a.g.core.calls.failures(), 0u);
}

TEST(EntryPoints, the_p2m_by_its_kernel_names) {
  for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
    TestGuest t(1, form);
    boot(t);
    for (unsigned long pfn = 0; pfn < 700; ++pfn) {
      EXPECT_EQ(pfn_to_mfn(pfn), t.kernel.mfn(pfn));
      EXPECT_EQ(::mfn_to_pfn(t.kernel.mfn(pfn)), pfn);
    }
    EXPECT_FALSE(__set_phys_to_machine(2000, 5));
    EXPECT_TRUE(__set_phys_to_machine(2000, INVALID_P2M_ENTRY));
    EXPECT_EQ(pfn_to_mfn(2000), INVALID_P2M_ENTRY);
    EXPECT_EQ(set_phys_range_identity(2048, 3000), 952u);
    EXPECT_EQ(set_phys_range_identity(3000, 3000), 0u);
    EXPECT_EQ(::mfn_to_pfn(2999), 2999u);
    EXPECT_EQ(get_phys_to_machine(2048), IDENTITY_FRAME(2048UL));
    EXPECT_EQ(pfn_to_mfn(2048), 2048u);
    t.kernel.fail_allocations = true;
    EXPECT_EQ(set_phys_range_identity(3072, 3600), 512u) << "a whole leaf takes no memory";
    EXPECT_FALSE(set_phys_to_machine(4000, 5));
  }
}

TEST(EntryPoints, set_pte_mfn_takes_a_machine_frame) {
  TestGuest t;
  boot(t);
  set_pte_mfn(kFixmap, t.kernel.mfn(600), {0x3});
  EXPECT_EQ(t.kernel.load(kFixmap), t.kernel.memory(600)[0]);
  set_pte_mfn(kFixmap, 0, {0});
  EXPECT_THROW(t.kernel.load(kFixmap), GuestFault);
}

TEST(EntryPoints, early_operations_give_way_to_late_ones) {
  TestGuest t;
  enter(t);
  ASSERT_TRUE(t.g.boot(t.info));
  xen_init_mmu_ops();
  const pv_mmu_ops early = *xen_mmu_ops();
  ASSERT_EQ(early.pagetable_init(), 0);
  EXPECT_NE(xen_mmu_ops()->set_pte, early.set_pte);
  EXPECT_NE(xen_mmu_ops()->set_p4d, early.set_p4d);
  EXPECT_NE(xen_mmu_ops()->alloc_pte, early.alloc_pte);
  EXPECT_NE(xen_mmu_ops()->release_pmd, early.release_pmd);
  EXPECT_NE(xen_mmu_ops()->write_cr3, early.write_cr3);
  EXPECT_NE(xen_mmu_ops()->make_pte, early.make_pte);
  EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2);
}

// An old Xen cannot preserve A and D: the entry must not be there while it is changed.
TEST(EntryPoints, without_the_feature_an_entry_is_taken_away_while_it_is_changed) {
  TestGuest t;
  t.domain.features = 0;
  boot(t);
  Process p;
  pte_t* pte = c_map(&kPages, &p.mm, 0x1000, alloc_zeroed(), 0x67);
  const pte_t old = xen_mmu_ops()->ptep_modify_prot_start(nullptr, 0x1000, pte);
  EXPECT_EQ(load(pte), 0u);
  xen_mmu_ops()->ptep_modify_prot_commit(nullptr, 0x1000, pte, old);
  EXPECT_EQ(load(pte), old.pte);
  EXPECT_EQ(c_write_protect(pte) & 0x67, 0x67u);
}

TEST(EntryPoints, cr2_is_read_directly_only_while_all_vcpu_infos_are_placed) {
  TestGuest t;
  boot(t);
  const unsigned long page = alloc_zeroed();
  const unsigned long va = t.kernel.va_of(pfn_t(page));
  EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2);
  EXPECT_EQ(xen_vcpu_setup(0, va + 8, 0), -22);
  EXPECT_EQ(xen_vcpu_setup(0, va, 0), 0);
  EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2) << "others may come";
  xen_setup_vcpu_info_placement();
  EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2_direct);
  xen_write_cr2(0x1234);
  EXPECT_EQ(xen_mmu_ops()->read_cr2(), 0x1234u);
  t.domain.vcpus[1].up = false;
  t.domain.refuse_placement = true;
  EXPECT_EQ(xen_vcpu_setup(1, va + 64, 0), 0);
  EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2);
}

TEST(EntryPoints, a_kernel_in_c_has_vcpus_ports_grants_and_a_balloon) {
  for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
    TestGuest t(1, form);
    boot(t);
    EXPECT_EQ(xen_boot_p2m_pages(), form == p2m_form::list ? 2u : 0u);
    for (unsigned cpu = 1; cpu < 4; ++cpu) t.domain.vcpus[cpu].up = false;
    int timers[4], ipis[4];
    ASSERT_EQ(c_set_up_vcpus(&kPages, 4, alloc_zeroed(), timers, ipis), 0);
    EXPECT_EQ(xen_mmu_ops()->read_cr2, xen_read_cr2_direct);
    for (unsigned cpu = 0; cpu < 4; ++cpu) {
      EXPECT_TRUE(t.domain.ports.at(xen_port_of(timers[cpu])).virq);
      EXPECT_EQ(t.domain.ports.at(xen_port_of(ipis[cpu])).vcpu, cpu);
      EXPECT_FALSE(t.domain.masked(xen_port_of(ipis[cpu])));
    }
    xen_mask_all_ports();
    EXPECT_TRUE(t.domain.masked(xen_port_of(timers[2])));
    xen_unmask_port(xen_port_of(timers[2]));
    EXPECT_FALSE(t.domain.masked(xen_port_of(timers[2])));

    const unsigned long page = alloc_zeroed();
    const xen_boot_info info = info_of(t);
    c_grant(&kPages, &info, 9, 3, page);
    EXPECT_EQ(t.xen.frame(t.domain.grant_mfn(0)).page[9], t.kernel.mfn(page) << 32 | 3u << 16 | 1);

    EXPECT_TRUE(c_exchange(page));
    EXPECT_EQ(pfn_to_mfn(page), t.kernel.mfn(page));
    ASSERT_TRUE(xen_balloon_out(page));
    EXPECT_TRUE(xen_set_foreign_frame(page, 77));
    EXPECT_FALSE(xen_balloon_in(page));
    EXPECT_EQ(get_phys_to_machine(page), FOREIGN_FRAME(77UL));
    EXPECT_TRUE(xen_clear_foreign_frame(page));
    t.domain.refuse_populate = true;
    EXPECT_FALSE(xen_balloon_in(page));
    EXPECT_EQ(get_phys_to_machine(page), INVALID_P2M_ENTRY);
  }
}

TEST(EntryPoints, entries_of_the_early_table_go_by_hypercall) {
  TestGuest t;
  enter(t);
  const xen_boot_info info = info_of(t);
  ASSERT_EQ(xen_boot(&info), 0);
  xen_init_mmu_ops();
  const uint64_t at = t.g.core.map.entry_address(kFixmap + 0x3000, PT_PTE);
  xen_set_early_pte_table(at & ~uint64_t{4095});
  const size_t calls = t.xen.calls.size();
  const uint64_t stores = t.kernel.stores;
  xen_mmu_ops()->set_pte(reinterpret_cast<pte_t*>(at), xen_mmu_ops()->make_pte(600ul << 12 | 0x63));
  EXPECT_EQ(t.xen.calls.size(), calls + 1);
  EXPECT_EQ(t.kernel.stores, stores);
  EXPECT_EQ(t.kernel.load(kFixmap + 0x3000), t.kernel.memory(600)[0]);
}

TEST(EntryPoints, suspend_through_c_hooks) {
  TestGuest t;
  boot(t);
  Process p;
  c_map(&kPages, &p.mm, 0x1000, alloc_zeroed(), 0x7);
  static int freezes = 0;
  xen_suspend_hooks hooks{
      .freeze = [] { return ++freezes > 3 ? -1 : 0; },
      .thaw = [] {},
      .suspend_devices = [] { return 0; },
      .resume_devices = [](int) {},
      .suspend_store = [] {},
      .resume_store = [](int, unsigned) {},
      .resume_console = [](unsigned) {},
      .stop_machine =
          [](void (*function)(void*), void* argument) {
            on->kernel.mask_all_cpus(true);
            function(argument);
            on->kernel.mask_all_cpus(false);
          },
  };
  for (auto [how, result] : {std::pair{AtSuspend::cancel, 1}, std::pair{AtSuspend::new_domain, 0},
                             std::pair{AtSuspend::refuse, -22}}) {
    t.domain.at_suspend = how;
    EXPECT_EQ(xen_do_suspend(&hooks), result);
  }
  EXPECT_EQ(xen_do_suspend(&hooks), -16) << "could not freeze";
  EXPECT_EQ(t.g.core.calls.failures(), 0u);
}

TEST(EntryPoints, hvm_installs_what_xen_wants) {
  TestGuest t;
  boot(t);
  auto* const pv_exit = xen_mmu_ops()->exit_mmap;
  t.domain.hvm_shadow = false;
  xen_hvm_init_mmu_ops();
  EXPECT_EQ(xen_mmu_ops()->exit_mmap, pv_exit);
  ASSERT_NE(xen_mmu_ops()->oldmem_pfn_is_ram, nullptr);
  EXPECT_EQ(xen_mmu_ops()->oldmem_pfn_is_ram(600), 0);
  t.domain.hvm_shadow = true;
  xen_hvm_init_mmu_ops();
  EXPECT_NE(xen_mmu_ops()->exit_mmap, pv_exit);
  Process p;
  xen_mmu_ops()->exit_mmap(&p.mm);
  EXPECT_EQ(t.domain.dying.back(), t.kernel.pfn_of(reinterpret_cast<uint64_t>(p.mm.pgd)).raw()
                                       << 12);
}

}  // namespace
}  // namespace ferry
