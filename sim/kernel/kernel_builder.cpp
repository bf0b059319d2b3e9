// The domain builder. Everything is a hypercall of the toolstack, or a store to a page that no vCPU
// can see yet.
#include "sim/kernel/kernel_builder.h"

#include <cstring>
#include <vector>

#include "canonicalize/pte.h"
#include "error/error.h"
#include "guest/kernel_map.h"
#include "sim/kernel/kernel_machine.h"
#include "sim/machine/hypercall.h"

namespace ferry::sim {

namespace {

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

class Builder {
 public:
  Builder(Host& host, const KernelSpec& spec) : host_(host), spec_(spec), random_(spec.seed) {}

  BuiltDomain build() {
    create();
    try {
      fill();
    } catch (const Error&) {
      domctl(XEN_DOMCTL_destroydomain, [](xen_domctl&) {});
      throw;
    }
    return built_;
  }

 private:
  void fill() {
    populate();
    place();
    map();
    write_start_info();
    mask_events();
    pin();
    load_vcpu();
    domctl(XEN_DOMCTL_unpausedomain, [](xen_domctl&) {});
  }

  long call(unsigned op, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0, uint64_t a4 = 0) {
    const uint64_t args[5] = {a1, a2, a3, a4, 0};
    HostLock lock(host_);
    const long rc = hypercall_locked(host_, {}, op, args);
    if (rc < 0)
      fail_errno(Errc::internal, static_cast<int>(-rc), fmt::format("domain builder: call {}", op));
    return rc;
  }
  template <typename Fill>
  xen_domctl domctl(uint32_t cmd, const Fill& fill) {
    xen_domctl op{};
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = built_.domid;
    fill(op);
    call(__HYPERVISOR_domctl, address(&op));
    return op;
  }

  void create() {
    const xen_domctl created = domctl(XEN_DOMCTL_createdomain, [&](xen_domctl& op) {
      auto& config = op.u.createdomain;
      config.max_vcpus = spec_.vcpus + spec_.spare;
      config.max_evtchn_port = 1023;
      config.max_grant_frames = 4;
      config.grant_opts = 1;
      for (uint8_t& byte : config.handle) byte = static_cast<uint8_t>(random_.next());
    });
    built_.domid = created.domain;
    domctl(XEN_DOMCTL_max_vcpus,
           [&](xen_domctl& op) { op.u.max_vcpus.max = spec_.vcpus + spec_.spare; });
    domctl(XEN_DOMCTL_max_mem,
           [&](xen_domctl& op) { op.u.max_mem.max_memkb = spec_.pages * 4 + 1024; });
  }

  void populate() {
    mfns_.resize(spec_.pages);
    for (uint64_t pfn = 0; pfn < spec_.pages; ++pfn) mfns_[pfn] = pfn;
    xen_memory_reservation_t r{};
    r.extent_start.p = mfns_.data();
    r.nr_extents = mfns_.size();
    r.domid = built_.domid;
    if (call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&r)) !=
        static_cast<long>(mfns_.size()))
      fail(Errc::no_memory, "the simulated host has no memory for a guest of {} MiB",
           spec_.pages * kPageSize >> 20);
    for (const uint64_t mfn : mfns_) memset(host_.page(mfn_t(mfn)), 0, kPageSize);
  }

  uint64_t* words(uint64_t pfn) { return host_.entries(mfn_t(mfns_[pfn])); }

  // p2m list from pfn 0, the last page of it with whatever was there before behind its end.
  void place() {
    uint64_t next = 0;
    built_.pfns = spec_.pages + spec_.growth;
    for (; next * 512 < spec_.pages; ++next)
      for (uint64_t i = 0; i < 512; ++i)
        words(next)[i] =
            next * 512 + i < spec_.pages ? mfns_[next * 512 + i] : random_.next() >> 30;
    built_.start_info = pfn_t(next++);
    built_.store_ring = pfn_t(next++);
    built_.console_ring = pfn_t(next++);
    next_table_ = next;
    tables_.push_back(next_table_++);
    built_.init_pgd = pfn_t(tables_.front());
  }

  // The L1 entry for va, and the tables above it.
  uint64_t* entry(uint64_t va) {
    uint64_t table = tables_.front();
    for (unsigned level = 4;; --level) {
      uint64_t& e = words(table)[va >> (kPageShift + 9 * (level - 1)) & 511];
      if (level == 1) return &e;
      if (e == 0) {
        if (next_table_ >= spec_.pages) fail(Errc::usage, "a guest needs more than that memory");
        e = mfns_[next_table_] << kPageShift | kTableFlags;
        tables_.push_back(next_table_++);
      }
      table = host_.m2p(mfn_t((e & kPteFrameMask) >> kPageShift));
    }
  }

  void map() {
    for (uint64_t pfn = 0; pfn < built_.pfns; ++pfn) {
      uint64_t* e = entry(kDirectMap + (pfn << kPageShift));
      if (pfn < spec_.pages) *e = mfns_[pfn] << kPageShift | kKernelReadWrite;
    }
    entry(kFixmap);
    for (const uint64_t table : tables_) *entry(kDirectMap + (table << kPageShift)) &= ~kPteRw;
    built_.first_free = next_table_;
  }

  void write_start_info() {
    start_info_t start{};
    memcpy(start.magic, "xen-3.0-x86_64", 15);
    start.nr_pages = spec_.pages;
    start.shared_info = host_.find_domain(built_.domid)->shared_info_mfn << kPageShift;
    const bool only_list = spec_.form == p2m_form::list && !spec_.frame_lists;
    start.flags = only_list ? SIF_VIRT_P2M_4TOOLS : 0;
    start.store_mfn = mfns_[built_.store_ring.raw()];
    start.console.domU.mfn = mfns_[built_.console_ring.raw()];
    start.store_evtchn = allocate_port();
    start.console.domU.evtchn = allocate_port();
    start.pt_base = kDirectMap + (built_.init_pgd.raw() << kPageShift);
    start.nr_pt_frames = tables_.size();
    start.mfn_list = kDirectMap;
    memcpy(start.cmd_line, "simulated", 10);
    memcpy(words(built_.start_info.raw()), &start, sizeof start);
  }
  uint32_t allocate_port() {
    evtchn_alloc_unbound_t alloc{};
    alloc.dom = built_.domid;
    call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(&alloc));
    return alloc.port;
  }

  void mask_events() {
    const mfn_t mfn(host_.find_domain(built_.domid)->shared_info_mfn);
    auto& shared = *reinterpret_cast<shared_info_t*>(host_.page(mfn));
    for (vcpu_info_t& info : shared.vcpu_info) info.evtchn_upcall_mask = 1;
  }

  void pin() {
    mmuext_op_t op{};
    op.cmd = MMUEXT_PIN_L4_TABLE;
    op.arg1.mfn = mfns_[built_.init_pgd.raw()];
    call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, built_.domid);
  }

  void load_vcpu() {
    vcpu_guest_context_t context{};
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = 0xffffffff81000000;
    context.user_regs.rsi = kDirectMap + (built_.start_info.raw() << kPageShift);
    context.user_regs.rsp = kDirectMap + (spec_.pages << kPageShift);
    context.user_regs.eflags = 0x200;
    context.user_regs.cs = 0xe033;
    context.user_regs.ss = 0xe02b;
    context.kernel_ss = context.user_regs.ss;
    context.kernel_sp = context.user_regs.rsp;
    context.ctrlreg[3] = mfns_[built_.init_pgd.raw()] << kPageShift;
    domctl(XEN_DOMCTL_setvcpucontext, [&](xen_domctl& op) {
      op.u.vcpucontext.vcpu = 0;
      op.u.vcpucontext.ctxt.p = &context;
    });
  }

  Host& host_;
  const KernelSpec& spec_;
  Random random_;
  BuiltDomain built_;
  std::vector<uint64_t> mfns_;    // of each pfn
  std::vector<uint64_t> tables_;  // pfns, the L4 first
  uint64_t next_table_ = 0;
};

}  // namespace

KernelSpec KernelSpec::random(uint64_t seed, uint64_t most_pages) {
  Random random(seed ^ 0x6b65726e656c);
  KernelSpec spec;
  spec.seed = seed;
  spec.pages = 256 + random.below(most_pages - 255);
  spec.growth = random.below(4) * 200 + random.below(512);
  spec.vcpus = static_cast<unsigned>(1 + random.below(KernelMachine::kMaxCpus));
  spec.form = random.chance(40) ? p2m_form::tree : p2m_form::list;
  spec.frame_lists = random.chance(50);
  spec.identity_tail = spec.growth > 100 && random.chance(30);
  return spec;
}

BuiltDomain build_domain(Host& host, const KernelSpec& spec) {
  return Builder(host, spec).build();
}

}  // namespace ferry::sim
