// Views of guests.
#include "sim/builder/guest_view.h"

#include <cstring>

#include "error/error.h"
#include "sim/machine/pte.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

uint64_t pfn_of(Host& host, DomainNumber domid, uint64_t mfn) {
  if (!host.valid(mfn_t(mfn))) return kForeignPfn;
  const Frame& f = host.frame(mfn_t(mfn));
  return f.owner == domid && f.count && !f.special ? host.m2p(mfn_t(mfn)) : kForeignPfn;
}

PageView view_page(Host& host, DomainNumber domid, mfn_t mfn) {
  const Frame& f = host.frame(mfn);
  PageView page;
  page.present = true;
  page.bytes.assign(host.page(mfn), host.page(mfn) + kPageSize);
  if (!is_page_table(f.type) || !f.validated) return page;
  page.type = f.type;
  page.pinned = f.pinned;
  const unsigned level = level_of(f.type);
  auto* entries = reinterpret_cast<uint64_t*>(page.bytes.data());
  for (unsigned slot = 0; slot < 512; ++slot) {
    if (!is_guest_slot(level, slot)) {
      entries[slot] = 0;
    } else if (pte_present(entries[slot])) {
      const uint64_t pfn = pfn_of(host, domid, pte_mfn(entries[slot]).raw());
      entries[slot] = (entries[slot] & ~kPteFrameMask) | pfn << kPageShift;
    }
  }
  return page;
}

VcpuView view_vcpu(Host& host, const Domain& d, uint32_t id) {
  const Vcpu& v = d.vcpus[id];
  VcpuView view;
  view.initialised = v.initialised;
  view.online = v.exists && !v.down;
  if (!v.initialised || get_vcpu_context(d, id, view.context)) return view;
  auto& c = view.context;
  c.ctrlreg[3] = pfn_of(host, d.domid, c.ctrlreg[3] >> kPageShift);
  if (c.ctrlreg[1]) c.ctrlreg[1] = pfn_of(host, d.domid, c.ctrlreg[1] >> kPageShift);
  for (uint32_t i = 0; i < (c.gdt_ents + 511) / 512; ++i)
    c.gdt_frames[i] = pfn_of(host, d.domid, c.gdt_frames[i]);
  if (id == 0) c.user_regs.rdx = pfn_of(host, d.domid, c.user_regs.rdx);
  view.ext = v.ext;
  // Xen sees to this when it takes a context, so one that was never set changes on its way.
  view.ext.sysenter_callback_cs |= 3;
  view.ext.syscall32_callback_cs |= 3;
  view.xcr0 = v.xcr0;
  view.xcr0_accum = v.xcr0_accum;
  view.xsave.assign(v.xsave, v.xsave + (v.xcr0_accum & 4 ? kXsaveBytes : 576));
  view.msrs.assign(v.msrs, v.msrs + 7);
  return view;
}

}  // namespace

GuestView view_guest(Host& host, DomainNumber domid) {
  HostLock lock(host);
  const Domain* d = host.find_domain(domid);
  if (!d) fail(Errc::no_domain, "no domain {} on this simulated host", domid);
  GuestView view;
  for (uint64_t n = 0; n < host.state().max_page; ++n) {
    const Frame& f = host.frame(mfn_t(n));
    if (f.owner != domid || !f.count || f.special) continue;
    const uint64_t pfn = host.m2p(mfn_t(n));
    PageView& page = view.pages[pfn];
    if (page.present) fail(Errc::internal, "two frames of domain {} claim pfn {:#x}", domid, pfn);
    page = view_page(host, domid, mfn_t(n));
  }
  for (uint32_t id = 0; id < d->max_vcpus; ++id) view.vcpus.push_back(view_vcpu(host, *d, id));
  if (!view.vcpus.empty()) view.start_info = view.vcpus[0].context.user_regs.rdx;
  const uint8_t* shared = host.page(mfn_t(d->shared_info_mfn));
  view.shared_info.assign(shared, shared + kPageSize);
  view.tot_pages = d->tot_pages;
  view.tsc_mode = d->tsc_mode;
  view.tsc_khz = d->tsc_khz;
  view.tsc_nsec = d->tsc_nsec;
  return view;
}

}  // namespace ferry::sim
