// One guest: all parts of the guest half together, and its way through boot. Freestanding-clean.
//
// Several can live in one process; nothing here is global. A kernel that has one keeps it in a
// static variable: the constructor allocates nothing.
#pragma once

#include <stdint.h>

#include "guest/balloon.h"
#include "guest/core.h"
#include "guest/event_ports.h"
#include "guest/grant_frames.h"
#include "guest/hvm.h"
#include "guest/mmu.h"
#include "guest/pin.h"
#include "guest/suspend.h"
#include "guest/vcpus.h"
#include "guest/xen_guest.h"

namespace ferry {

// What the kernel knows when it starts, and what it decides.
struct boot_info {
  pfn_t start_info;          // the builder's page
  pfn_t init_pgd;            // the builder's L4, loaded now
  uint64_t mfn_list_va = 0;  // the builder's p2m, in the direct map
  p2m_form form = p2m_form::list;
  uint64_t p2m_area_va = 0;     // list only: where it is to live
  uint64_t p2m_area_pfns = 0;   // and how many pfns it has room for
  uint64_t shared_info_va = 0;  // an address with page tables, nothing mapped
  uint64_t dummy_va = 0;        // a page to stand in for shared_info
  uint32_t grant_frames = 0;    // to map at
  uint64_t grant_va = 0;        // addresses with page tables, nothing mapped
  bool devices = false;         // has devices of its own
};

template <guest_machine Machine>
class guest {
 public:
  explicit guest(Machine& m)
      : machine(m),
        core(m),
        tables(core),
        pins(core, tables),
        cpus(core),
        ports(core),
        grants(core, tables),
        pages(core),
        hvm(m),
        suspender(core, tables, pins, cpus, ports, grants) {}
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;

  Machine& machine;
  guest_core<Machine> core;
  mmu<Machine> tables;
  pinning<Machine> pins;
  vcpus<Machine> cpus;
  event_ports<Machine> ports;
  grant_frames<Machine> grants;
  balloon<Machine> pages;
  hvm_mmu<Machine> hvm;
  suspension<Machine> suspender;
  pv_mmu_ops ops{};  // what xen_init_mmu_ops() installs

  // First of all, on vCPU 0: the p2m can be read and shared_info is mapped. False if the builder's
  // pages make no sense, or memory ran out.
  [[nodiscard]] bool boot(const boot_info& info) {
    boot_ = info;
    core.init_pgd = info.init_pgd;
    core.devices = info.devices;
    for (unsigned cpu = 0; cpu < Machine::kMaxCpus; ++cpu) tables.set_boot_cr3(cpu, info.init_pgd);
    find_m2p();
    const uint64_t start_info = machine.va_of(info.start_info);
    const uint64_t nr_pages = machine.load(start_info + abi::kStartInfoNrPages);
    if (!core.p2m.init(info.form, info.mfn_list_va, nr_pages)) return false;
    core.p2m.set_beyond_end(info.devices);
    // Said once, at boot. A resume clears the flag, which means nothing.
    const uint64_t flags = machine.load(start_info + abi::kStartInfoFlags);
    frame_lists_ = (flags & abi::kSifVirtP2m4tools) == 0;
    find_features();
    core.builders_p2m = pfn_t(machine.load(start_info + abi::kStartInfoFirstP2mPfn));
    core.builders_p2m_pages = machine.load(start_info + abi::kStartInfoNrP2mFrames);
    if (machine.hypercall(abi::kVmAssist, abi::kVmasstCmdEnable, abi::kVmasstTypeWritablePagetables,
                          0, 0, 0) < 0)
      machine.warn("stores to page tables are not emulated");
    suspender.set_pages(info.start_info, info.shared_info_va, info.dummy_va);
    suspender.map_shared_info();
    ports.mask_all();
    return true;
  }

  // When there is an allocator: the p2m takes its final form and is published, the grant table is
  // mapped. False if memory ran out.
  [[nodiscard]] bool pagetable_init() {
    if (!core.p2m.build(boot_.p2m_area_va, boot_.p2m_area_pfns, frame_lists_)) return false;
    core.p2m.publish(core.shared_info_va);
    return boot_.grant_frames == 0 || grants.setup(boot_.grant_va, boot_.grant_frames);
  }

  // When every page has a record: late forms work from now on.
  void after_bootmem() {
    core.struct_pages = true;
    pins.mark_kernel_tables();
  }

  bool preserves_ad() const { return preserves_ad_; }  // XENFEAT_mmu_pt_update_preserve_ad

  // Everything that the guest half remembers while no batch waits, member by member: visit(member).
  // Plain data, no addresses of the process: a kernel that is simulated keeps it in the guest's
  // memory, where it is saved and restored with the guest. The records of pages are the machine's.
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(core.init_pgd), visit(core.struct_pages), visit(core.devices);
    visit(core.shared_info_va), visit(core.first_pgd);
    visit(core.builders_p2m), visit(core.builders_p2m_pages);
    core.p2m.visit_state(visit);
    tables.visit_state(visit);
    cpus.visit_state(visit);
    ports.visit_state(visit);
    grants.visit_state(visit);
    suspender.visit_state(visit);
    visit(boot_), visit(frame_lists_), visit(preserves_ad_);
  }

 private:
  void find_m2p() {
    abi::machphys_mapping mapping{};
    if (machine.hypercall(abi::kMemoryOp, abi::kXenmemMachphysMapping,
                          reinterpret_cast<uint64_t>(&mapping), 0, 0, 0) == 0)
      core.p2m.set_m2p({mapping.v_start, mapping.max_mfn + 1});
  }
  void find_features() {
    abi::feature_info features{};
    preserves_ad_ = machine.hypercall(abi::kXenVersion, abi::kXenverGetFeatures,
                                      reinterpret_cast<uint64_t>(&features), 0, 0, 0) == 0 &&
                    (features.submap >> abi::kXenfeatMmuPtUpdatePreserveAd & 1) != 0;
  }

  boot_info boot_;
  bool frame_lists_ = true;
  bool preserves_ad_ = false;
};

}  // namespace ferry
