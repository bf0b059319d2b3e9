// A booted guest for tests: the guest half on a test kernel, on a small Xen.
#pragma once

#include "guest/guest.h"
#include "tests/guest/fake_domain.h"
#include "tests/guest/test_kernel.h"

namespace ferry {

constexpr uint64_t kSharedInfoVa = kFixmap + 0x1ff000;
constexpr uint64_t kGrantVa = kFixmap + 0x100000;

struct TestGuest {
  explicit TestGuest(uint32_t seed = 1, p2m_form form = p2m_form::tree, uint64_t nr_pages = 700)
      : xen(nr_pages * 2 + 50), kernel(xen, nr_pages, seed), domain(xen, kernel), g(kernel) {
    xen.after_request = [this] { xen.verify(); };
    domain.p2m_entry = [this](uint64_t pfn) { return g.core.p2m.get(pfn_t(pfn)); };
    info.start_info = kernel.start_info();
    info.init_pgd = kernel.init_pgd();
    info.mfn_list_va = kernel.mfn_list_va();
    info.form = form;
    info.p2m_area_va = kP2mArea;
    info.p2m_area_pfns = 4096;
    info.shared_info_va = kSharedInfoVa;
    pfn_t dummy;
    if (!kernel.alloc_page(dummy)) throw std::logic_error("boot: dummy");
    info.dummy_va = kernel.va_of(dummy);
    info.grant_va = kGrantVa;
    info.grant_frames = 3;
  }
  // With operations in their late form.
  TestGuest& booted() {
    if (!g.boot(info) || !g.pagetable_init()) throw std::logic_error("boot");
    g.after_bootmem();
    return *this;
  }

  FakeXen xen;
  TestKernel kernel;
  FakeDomain domain;
  guest<TestKernel> g;
  boot_info info;
};

}  // namespace ferry
