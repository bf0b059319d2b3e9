// The life of a simulated kernel: boot, suspend, waking up, and its variables.
#include "sim/kernel/sim_kernel.h"

#include <algorithm>
#include <cstring>

#include "error/error.h"
#include "guest/xen_guest.h"
#include "sim/builder/page_content.h"
#include "sim/kernel/kernel_state.h"
#include "sim/machine/domains.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kVariablesMagic = 0x31736c62616972;  // "riabls1"
constexpr uint64_t kKernelText = 0xffffffff81000000;
constexpr unsigned kSegmentGsKernel = 2;

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

// Room for the variables: a record a page, and the processes.
uint64_t pages_for_variables(uint64_t pfns) {
  return 8 + (pfns * (sizeof(PageRecord) + 16) + kPageSize - 1) / kPageSize;
}

}  // namespace

std::unique_ptr<SimKernel> SimKernel::create(Host& host, const KernelSpec& spec) {
  const BuiltDomain built = build_domain(host, spec);
  std::unique_ptr<SimKernel> kernel(new SimKernel(host, built.domid));
  kernel->boot(spec, built);
  kernel->put_away();
  return kernel;
}

void SimKernel::free_boot_memory(const BuiltDomain& built, uint64_t pages) {
  machine_.start(built.pfns);
  for (uint64_t pfn = 0; pfn < built.first_free; ++pfn)
    machine_.record(pfn_t(pfn)).use = PageUse::kernel;
  variables_ = pfn_t(built.first_free);
  variable_pages_ = pages_for_variables(built.pfns);
  uint64_t pfn = built.first_free;
  for (; pfn < built.first_free + variable_pages_; ++pfn)
    machine_.record(pfn_t(pfn)).use = PageUse::kernel;
  if (pfn + 32 > pages) fail(Errc::usage, "a guest of {} pages has no room for a kernel", pages);
  for (; pfn < pages; ++pfn) machine_.add_free(pfn_t(pfn));
}

void SimKernel::boot(const KernelSpec& spec, const BuiltDomain& built) {
  const RunningGuest running(half_);
  machine_.random() = Random(spec.seed ^ 0x626f6f74);
  vcpus_ = spec.vcpus;
  free_boot_memory(built, spec.pages);
  machine_.set_online(0, true);

  boot_info info;
  info.start_info = built.start_info;
  info.init_pgd = built.init_pgd;
  info.mfn_list_va = machine_.va_of(pfn_t(built.mfn_list_pfn));
  info.form = spec.form;
  info.p2m_area_va = kP2mArea;
  info.p2m_area_pfns = built.pfns;
  info.shared_info_va = kSharedInfoVa;
  info.grant_va = kGrantVa;
  info.grant_frames = 2;
  pfn_t dummy;
  if (!machine_.alloc_page(dummy)) machine_.bug("no memory at boot");
  info.dummy_va = machine_.va_of(dummy);
  if (!half_.boot(info)) machine_.bug("the guest half does not boot");
  xen_init_mmu_ops();
  if (xen_mmu_ops()->pagetable_init() != 0) machine_.bug("no memory for the p2m");
  xen_mmu_ops()->after_bootmem();
  for (uint64_t i = 0; i < half_.core.p2m.boot_pages(); ++i)
    machine_.add_free(pfn_t(built.mfn_list_pfn + i));

  if (spec.identity_tail) {
    const uint64_t first = built.pfns - 64;
    if (set_phys_range_identity(first, built.pfns) != 64) machine_.bug("no memory for identity");
    for (uint64_t pfn = first; pfn < built.pfns; ++pfn)
      machine_.record(pfn_t(pfn)).use = PageUse::identity;
  }
  set_up_vcpus();
}

void SimKernel::set_up_vcpus() {
  if (!machine_.alloc_page(vcpu_page_)) machine_.bug("no memory for vCPUs");
  machine_.hypercall(__HYPERVISOR_set_callbacks, kKernelText + 0x100, kKernelText + 0x200,
                     kKernelText + 0x300, 0, 0);
  machine_.hypercall(__HYPERVISOR_set_segment_base, kSegmentGsKernel, machine_.va_of(variables_), 0,
                     0, 0);
  for (unsigned cpu = 0; cpu < vcpus_; ++cpu) {
    pfn_t gdt;
    if (!machine_.alloc_page(gdt)) machine_.bug("no memory for descriptors");
    std::array<uint64_t, 512> descriptors{};
    descriptors[1] = 0x00affb000000ffff;  // flat code, DPL 3, 64 bit
    descriptors[2] = 0x00cff3000000ffff;  // flat data, DPL 3
    machine_.write_page(gdt, reinterpret_cast<const uint8_t*>(descriptors.data()));
    half_.core.remap_now(gdt, kKernelReadOnly);
    machine_.record(gdt).use = PageUse::gdt;
    gdt_pages_[cpu] = gdt.raw();
    const uint64_t base = machine_.va_of(vcpu_page_);
    if (xen_vcpu_setup(cpu, base + 64 * cpu, base + 2048 + 64 * cpu) != 0)
      machine_.bug("vcpu_info does not fit");
    if (cpu > 0) bring_up(cpu);
  }
  xen_setup_vcpu_info_placement();
  const uint64_t frame = pfn_to_mfn(gdt_pages_[0]);
  half_.core.must(machine_.hypercall(__HYPERVISOR_set_gdt, address(&frame), 512, 0, 0, 0),
                  "descriptors refused");
  for (unsigned cpu = 0; cpu < vcpus_; ++cpu)
    if (half_.ports.bind_virq(VIRQ_TIMER, cpu) < 0 || half_.ports.bind_ipi(cpu) < 0)
      machine_.bug("event channel refused");
}

// A vCPU that was never up in this domain, or was taken down.
void SimKernel::bring_up(unsigned cpu) {
  vcpu_guest_context_t context{};
  context.flags = VGCF_in_kernel;
  context.user_regs.rip = kKernelText + 0x1000 * cpu;
  context.user_regs.rsp = kKernelText + 0x100000 * (cpu + 1);
  context.user_regs.eflags = 0x200;
  context.user_regs.cs = 0xe033;
  context.user_regs.ss = 0xe02b;
  context.kernel_ss = context.user_regs.ss;
  context.kernel_sp = context.user_regs.rsp;
  context.event_callback_eip = kKernelText + 0x100;
  context.failsafe_callback_eip = kKernelText + 0x200;
  context.syscall_callback_eip = kKernelText + 0x300;
  context.gs_base_kernel = machine_.va_of(variables_) + 64 * cpu;
  context.gdt_frames[0] = pfn_to_mfn(gdt_pages_[cpu]);
  context.gdt_ents = 512;
  context.ctrlreg[3] = pfn_to_mfn(half_.core.init_pgd.raw()) << kPageShift;
  const int64_t rc =
      machine_.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, cpu, address(&context), 0, 0);
  if (rc < 0 && rc != -EEXIST) machine_.bug("vCPU cannot be initialised");
  if (rc == 0) half_.tables.set_boot_cr3(cpu, half_.core.init_pgd);
  half_.core.must(machine_.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, cpu, 0, 0, 0),
                  "vCPU does not come up");
  machine_.set_online(cpu, true);
}

bool SimKernel::wake_up() {
  if (!runnable(machine_.domain())) return false;
  const RunningGuest running(half_);
  if (suspending_) wake();
  return true;
}

bool SimKernel::step() {
  if (!wake_up()) return false;
  const RunningGuest running(half_);
  act();
  settle();
  ++ticks_;
  if (!machine_.at_rest()) machine_.bug("a lock is held, or interrupts are off, after a step");
  return true;
}

void SimKernel::run(unsigned steps) {
  while (steps-- > 0 && step()) {
  }
  if (!suspending_) put_away();
}

void SimKernel::park(bool parked) {
  for (unsigned cpu = 0; cpu < vcpus_; ++cpu)
    machine_.store_byte(half_.cpus.info_va(cpu) + abi::kVcpuInfoUpcallMask, parked);
  machine_.mask_all(parked);
}

void SimKernel::suspend() {
  if (suspending_ && !wake_up()) return;
  const RunningGuest running(half_);
  for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn)
    if (machine_.record(pfn_t(pfn)).use == PageUse::foreign) unmap_foreign(pfn_t(pfn));
  machine_.run_on(0);
  park(true);
  const mfn_t start_info = half_.suspender.prepare();
  suspending_ = true;
  put_away();
  // As the hypercall leaves the registers; the toolstack reads and changes them.
  auto& regs = machine_.domain().vcpus[0].context.user_regs;
  regs.rax = 0;
  regs.rdi = SCHEDOP_shutdown;
  regs.rdx = start_info.raw();
  sched_shutdown_t reason{SHUTDOWN_suspend};
  machine_.hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason), 0, 0, 0);
}

void SimKernel::wake() {
  machine_.run_on(0);
  suspending_ = false;
  const auto answer = static_cast<int64_t>(machine_.domain().vcpus[0].context.user_regs.rax);
  const suspend_result result = half_.suspender.proceed(answer);
  half_.ops.read_cr2 = half_.cpus.all_placed() ? xen_read_cr2_direct : xen_read_cr2;
  park(false);
  if (result == suspend_result::resumed) {
    ++resumes_;
    write_grants();
  } else {
    ++cancels_;
  }
}

template <typename Visitor>
void SimKernel::visit_state(Visitor& visit) {
  machine_.visit_state(visit);
  half_.visit_state(visit);
  visit(running_), visit(grants_), visit(next_pid_), visit(ticks_), visit(resumes_);
  visit(cancels_), visit(vcpus_), visit(suspending_), visit(variables_), visit(variable_pages_);
  visit(vcpu_page_), visit(gdt_pages_);
}

// Only pages that changed are written, as a kernel's stores would.
void SimKernel::put_away() {
  StateWriter body;
  visit_state(body);
  body(uint64_t{processes_.size()});
  for (auto& [pid, space] : processes_) {
    body(pid);
    space.visit_state(body);
  }
  StateWriter all;
  all(kVariablesMagic), all(uint64_t{body.bytes().size()});
  std::vector<uint8_t> bytes = all.bytes();
  bytes.insert(bytes.end(), body.bytes().begin(), body.bytes().end());
  if (bytes.size() > variable_pages_ * kPageSize) machine_.bug("no room for the variables");
  bytes.resize((bytes.size() + kPageSize - 1) / kPageSize * kPageSize);
  for (uint64_t at = 0; at < bytes.size(); at += kPageSize) {
    const pfn_t pfn = variables_ + at / kPageSize;
    uint8_t before[kPageSize];
    machine_.read_page(pfn, before);
    if (memcmp(before, bytes.data() + at, kPageSize) != 0)
      machine_.write_page(pfn, bytes.data() + at);
  }
}

std::unique_ptr<SimKernel> SimKernel::attach(Host& host, DomainNumber domid) {
  Domain* d = host.find_domain(domid);
  if (!d) fail(Errc::no_domain, "there is no domain {}", domid);
  const uint64_t va = d->vcpus[0].context.gs_base_kernel;
  uint64_t head[2] = {};
  if (!guest_read(host, *d, 0, va, head, sizeof head).ok || head[0] != kVariablesMagic ||
      head[1] > uint64_t{1} << 30)
    fail(Errc::guest, "domain {} does not run the simulated kernel", domid);
  std::vector<uint8_t> bytes(head[1]);
  if (!guest_read(host, *d, 0, va + sizeof head, bytes.data(), bytes.size()).ok)
    fail(Errc::guest, "the variables of domain {}'s kernel cannot be read", domid);
  std::unique_ptr<SimKernel> kernel(new SimKernel(host, domid));
  StateReader reader(std::move(bytes));
  kernel->visit_state(reader);
  uint64_t processes = 0;
  for (reader(processes); processes > 0; --processes) {
    uint32_t pid = 0;
    reader(pid);
    AddressSpace& space = kernel->processes_.try_emplace(pid, kernel->machine_).first->second;
    space.visit_state(reader);
  }
  install_late_operations(kernel->half_);
  return kernel;
}

std::vector<std::string> SimKernel::check_memory() {
  const RunningGuest running(half_);
  std::vector<std::string> wrong;
  const auto say = [&](std::string sentence) {
    if (wrong.size() < 20) wrong.push_back(std::move(sentence));
  };
  std::map<uint64_t, uint32_t> mappings;
  for (const auto& [pid, space] : processes_) {
    for (const std::string& s : space.differences()) say(fmt::format("process {}: {}", pid, s));
    for (const auto& [va, m] : space.mappings()) ++mappings[m.pfn];
  }
  for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
    const PageRecord& r = machine_.record(pfn_t(pfn));
    if (r.use == PageUse::user && r.mappings != mappings[pfn])
      say(fmt::format("page {:#x} is mapped {} times, not {}", pfn, mappings[pfn], r.mappings));
    if (!has_content(r.use)) continue;
    const uint8_t* page = machine_.host().page(mfn_t(pfn_to_mfn(pfn)));
    if (r.content != 0 ? !holds_page(r.content, 1, 0, page)
                       : std::any_of(page, page + kPageSize, [](uint8_t b) { return b != 0; }))
      say(fmt::format("page {:#x} does not hold what was written to it", pfn));
  }
  return wrong;
}

uint64_t SimKernel::checksum() const {
  uint64_t sum = 0;
  for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
    const PageRecord& r = machine_.record(pfn_t(pfn));
    if (!has_content(r.use)) continue;
    const uint64_t* words =
        machine_.host().entries(mfn_t(p2m_frame_of(half_.core.p2m.get(pfn_t(pfn)))));
    for (unsigned i = 0; i < kPageSize / 8; ++i) sum = (sum ^ words[i] ^ pfn) * 0x100000001b3;
  }
  return sum;
}

uint64_t SimKernel::memory_pages() const {
  uint64_t n = 0;
  for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
    const PageUse use = machine_.record(pfn_t(pfn)).use;
    n += use != PageUse::absent && use != PageUse::foreign && use != PageUse::identity;
  }
  return n;
}

}  // namespace ferry::sim
