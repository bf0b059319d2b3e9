// The kernel's way through boot.
#include "guest/xen_guest.h"
#include "kernel/ask_xen.h"
#include "kernel/console.h"
#include "kernel/coverage.h"
#include "kernel/cpu.h"
#include "kernel/grants.h"
#include "kernel/hypercall.h"
#include "kernel/memory.h"
#include "kernel/run.h"
#include "kernel/store.h"
#include "kernel/suspend.h"
#include "kernel/trap.h"
#include "kernel/trials.h"
#include "kernel/words.h"
#include "kernel/wrong.h"
#include "kernel/xen_abi.h"
#include "kernel/xen_half.h"

extern "C" {
extern void (*const constructors[])();
extern void (*const constructors_end[])();
}

namespace ferry::kernel {
namespace {

// Addresses with page tables where nothing of ours is: pages of the image, whose own frames stay
// behind what is mapped over them.
struct alignas(4096) hole {
  uint8_t bytes[4096];
};
constexpr unsigned kGrantFrames = 4;
hole shared_info_hole, grant_hole[kGrantFrames], wrong_hole;
hole dummy;  // seen in shared_info's place while that is away

// Before the guest half knows the M2P.
uint64_t ring_va(uint64_t mfn) {
  return va_of(pfn_t(reinterpret_cast<const uint64_t*>(kM2pVa)[mfn]));
}

const char* words_of(const start_info_t& start) {
  return reinterpret_cast<const char*>(start.cmd_line);
}

// How many pages the guest may ever have: the end of the memory map that the toolstack made.
uint64_t most_pages(const start_info_t& start) {
  struct {
    uint64_t first, size;
    uint32_t type;
  } __attribute__((packed)) entries[8];
  xen_memory_map map{};
  map.nr_entries = 8;
  map.buffer.p = entries;
  uint64_t most = start.nr_pages;
  if (hypercall(__HYPERVISOR_memory_op, XENMEM_memory_map, address(&map)) != 0) return most;
  for (unsigned i = 0; i < map.nr_entries; ++i) {
    const uint64_t end = (entries[i].first + entries[i].size) >> kPageShift;
    if (end > most) most = end;
  }
  return most;
}

void boot_guest_half(const start_info_t& start, uint64_t pfns) {
  const xen_boot_info info{
      .start_info_pfn = pfn_of(address(&start)).raw(),
      .init_pgd_pfn = pfn_of(start.pt_base).raw(),
      .mfn_list = start.mfn_list,
      .linear_p2m = !has_word(words_of(start), "p2m=tree"),
      .p2m_area = kP2mArea,
      .p2m_area_pfns = pfns,
      .shared_info = address(&shared_info_hole),
      .dummy = address(&dummy),
      .grant_table = address(grant_hole),
      .grant_frames = kGrantFrames,
      .devices = false,
  };
  if (xen_boot(&info) != 0) bug("the guest half does not boot");
  xen_init_mmu_ops();
  count_early_operations();
}

// All vCPUs there can be but so many, before any of the others comes up. Until their vcpu_info is
// placed, the address of a fault is in shared_info.
unsigned set_up_cpus(unsigned spare) {
  try_read_cr2();
  const unsigned nr_cpus = count_cpus() - spare;
  for (unsigned i = 0; i < nr_cpus; ++i) set_up_cpu(i);
  xen_setup_vcpu_info_placement();
  if (xen_mmu_ops()->read_cr2 != xen_read_cr2_direct) complain("a vcpu_info was not placed");
  try_read_cr2();
  hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0);
  return nr_cpus;
}

// What the builder's list took is free once the p2m lives elsewhere.
void free_boot_list(const start_info_t& start) {
  const uint64_t first = pfn_of(start.mfn_list).raw();
  for (uint64_t i = 0; i < xen_boot_p2m_pages(); ++i) free_page(pfn_t(first + i));
}

}  // namespace

extern "C" [[noreturn]] void kernel_main(start_info_t* start) {
  for (auto* constructor = constructors; constructor != constructors_end; ++constructor)
    (*constructor)();
  set_console(reinterpret_cast<void*>(ring_va(start->console.domU.mfn)),
              start->console.domU.evtchn);
  say("ferry's kernel on ", reinterpret_cast<const char*>(start->magic),
      ", pages: ", start->nr_pages);
  set_up_boot_cpu();
  set_up_traps();

  // Behind the page tables there is only the builder's stack, which nobody is on any more.
  begin_memory(pfn_of(start->pt_base) + start->nr_pt_frames + 1);
  const uint64_t pfns = most_pages(*start);
  boot_guest_half(*start, pfns);
  try_early_operations();
  map_memory(start->nr_pages, pfns);
  make_records();
  if (xen_mmu_ops()->pagetable_init() != 0) bug("no memory for the p2m");
  xen_mmu_ops()->after_bootmem();
  free_boot_list(*start);
  say("memory: ", memory_end(), " pfns, ", free_pages(), " pages free, p2m is a ",
      current_guest().core.p2m.linear() ? "list" : "tree");
  const bool rules = has_word(words_of(*start), "rules");
  const unsigned nr_cpus = set_up_cpus(rules);
  count_late_operations();
  try_late_operations();
  if (rules) {
    ask_xen(address(&wrong_hole), nr_cpus);
    shut_down(SHUTDOWN_poweroff);
  }
  store().begin(reinterpret_cast<void*>(ring_va(start->store_mfn)), start->store_evtchn);
  set_up_grants(address(grant_hole));
  choose_wrong(words_of(*start), address(&wrong_hole));
  run_kernel(nr_cpus, has_word(words_of(*start), "race"));
}

}  // namespace ferry::kernel
