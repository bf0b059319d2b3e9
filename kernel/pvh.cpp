// The kernel under hardware-assisted paging: it has no p2m and pins nothing, so all that is left of
// the guest half is what xen_hvm_init_mmu_ops() installs. Memory with known contents is judged for
// ever.
#include "guest/shutdown_request.h"
#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/hypercall.h"
#include "kernel/memory.h"
#include "kernel/store.h"
#include "kernel/suspend.h"
#include "kernel/xen_abi.h"
#include "kernel/xen_half.h"

extern "C" {
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

extern void (*const constructors[])();
extern void (*const constructors_end[])();
}

namespace ferry::kernel {
namespace {

constexpr uint32_t kMsrGsBase = 0xc0000101;
constexpr uint32_t kFirstXenLeaf = 0x40000000, kLastXenLeaf = 0x40010000;
constexpr uint64_t kFirstKnown = 0x1000,
                   kKnownPages = 1024;   // 4 MiB from 16 MiB on: pages with known contents
constexpr uint64_t kBallooned = 0x1800;  // a page that is given back
constexpr uint64_t kAbsent = 0x80000;    // and one that there never was, at 2 GiB

void write_msr(uint32_t msr, uint64_t value) {
  asm volatile("wrmsr" : : "c"(msr), "a"(static_cast<uint32_t>(value)), "d"(value >> 32));
}
struct leaf {
  uint32_t a, b, c, d;
};
leaf cpuid(uint32_t number) {
  leaf l{};
  asm volatile("cpuid" : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d) : "a"(number), "c"(0));
  return l;
}

// Xen says which of the model specific registers wants the page's address: it then fills the page.
bool get_hypercall_page() {
  for (uint32_t first = kFirstXenLeaf; first < kLastXenLeaf; first += 0x100) {
    const leaf name = cpuid(first);
    if (name.b != 0x566e6558 || name.c != 0x65584d4d || name.d != 0x4d4d566e)
      continue;  // XenVMMXenVMM
    write_msr(cpuid(first + 2).b, address(hypercall_page) - kDirectMap);
    return true;
  }
  return false;
}

uint64_t parameter(uint32_t index) {
  xen_hvm_param param{};
  param.domid = DOMID_SELF;
  param.index = index;
  hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, address(&param));
  return param.value;
}

// Ports are others after a restore.
void find_console() {
  set_console(reinterpret_cast<void*>(va_of(pfn_t(parameter(HVM_PARAM_CONSOLE_PFN)))),
              static_cast<uint32_t>(parameter(HVM_PARAM_CONSOLE_EVTCHN)));
}

bool give_back(uint64_t pfn) {
  xen_memory_reservation reservation{};
  xen_pfn_t extent = pfn;
  reservation.extent_start.p = &extent;
  reservation.nr_extents = 1;
  reservation.domid = DOMID_SELF;
  return hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&reservation)) == 1;
}

void try_operations() {
  pv_mmu_ops* ops = xen_mmu_ops();
  xen_hvm_init_mmu_ops();
  say("pvh: page tables that die are ", ops->exit_mmap == nullptr ? "of no interest" : "wanted");
  if (ops->oldmem_pfn_is_ram == nullptr) bug("nobody says what is RAM");
  if (!give_back(kBallooned)) bug("a page cannot be given back");
  const auto is_ram = [ops](const char* what, uint64_t pfn, int expected) {
    const int seen = ops->oldmem_pfn_is_ram(pfn);
    if (seen != expected) complain("what is RAM: ", what);
    say("pvh: ", what, " is ", seen == 1 ? "RAM" : seen == 0 ? "no RAM" : "unknown");
  };
  is_ram("memory", kFirstKnown, 1);
  is_ram("the first page", 0, 1);
  is_ram("ballooned memory", kBallooned, 0);
  is_ram("no memory", kAbsent, 0);
}

// Where the page was that was given back. A new domain has to be asked for it again.
void show_shared_info() {
  xen_add_to_physmap where{};
  where.domid = DOMID_SELF;
  where.space = XENMAPSPACE_shared_info;
  where.gpfn = kBallooned;
  if (hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, address(&where)) != 0)
    bug("Xen does not show shared_info");
  current_guest().core.shared_info_va = va_of(pfn_t(kBallooned));
}
uint32_t store_port() {
  return static_cast<uint32_t>(parameter(HVM_PARAM_STORE_EVTCHN));
}

void suspend() {
  sched_shutdown reason{SHUTDOWN_suspend};
  const bool cancelled = hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason)) != 0;
  if (!cancelled) {
    show_shared_info();
    find_console();
    store().resume(false, store_port());
  }
  say(cancelled ? "cancelled" : "resumed");
}
void answer_toolstack_here() {
  switch (take_request(store(), false)) {
    case shutdown_request::none:
      return;
    case shutdown_request::suspend:
      return suspend();
    case shutdown_request::poweroff:
      shut_down(SHUTDOWN_poweroff);
    case shutdown_request::reboot:
      shut_down(SHUTDOWN_reboot);
  }
}

uint64_t* known_page(uint64_t n) {
  return reinterpret_cast<uint64_t*>(va_of(pfn_t(kFirstKnown + n)));
}
uint64_t known_word(uint64_t page, uint64_t word, uint64_t round) {
  return (page << 32 | word << 16 | 1) * 0x9e3779b97f4a7c15 + round;
}
void fill(uint64_t round) {
  for (uint64_t n = 0; n < kKnownPages; ++n)
    for (uint64_t i = 0; i < 512; ++i) known_page(n)[i] = known_word(n, i, round);
}
void judge(uint64_t round) {
  for (uint64_t n = 0; n < kKnownPages; ++n)
    for (uint64_t i = 0; i < 512; ++i)
      if (known_page(n)[i] != known_word(n, i, round)) return complain("pfn ", kFirstKnown + n);
}

}  // namespace

// There is neither a trap table nor an event: any fault ends the domain, and nothing interrupts.
extern "C" [[noreturn]] void pvh_main(const hvm_start_info* at) {
  const auto& start = *reinterpret_cast<const hvm_start_info*>(va_of(pfn_t(0)) + address(at));
  for (auto* constructor = constructors; constructor != constructors_end; ++constructor)
    (*constructor)();
  const bool xen = get_hypercall_page();
  set_up_boot_cpu();
  write_msr(kMsrGsBase, address(&cpu(0)));
  if (!xen || start.magic != XEN_HVM_START_MAGIC_VALUE) asm volatile("ud2");
  find_console();
  say("ferry's kernel under PVH");
  try_operations();
  show_shared_info();
  store().begin(reinterpret_cast<void*>(va_of(pfn_t(parameter(HVM_PARAM_STORE_PFN)))),
                store_port());
  advertise_requests(store());
  fill(0);
  say("workload of 1 vCPUs");
  for (uint64_t tick = 1;; ++tick) {
    for (unsigned i = 0; i < 200; ++i) hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
    judge(tick - 1);
    fill(tick);
    answer_toolstack_here();
    say("tick ", tick, complaints() == 0 ? " ok" : " not ok");
  }
}

}  // namespace ferry::kernel
