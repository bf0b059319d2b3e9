// What a domain builder does before a PV kernel runs: a domain with memory, the kernel's first page
// tables, its p2m, start_info and rings, and one vCPU.
#pragma once

#include <string>

#include "guest/phys_to_machine.h"
#include "sim/machine/host.h"

namespace ferry::sim {

// A running guest, and everything about it that is chosen; the rest follows from the seed.
struct KernelSpec {
  uint64_t seed = 1;
  uint64_t pages = 1024;  // of memory, at least 256
  uint64_t growth = 512;  // pfns behind them, without memory at first
  unsigned vcpus = 1;     // 1 to 4
  unsigned spare = 0;     // vCPUs that the domain has and the kernel never uses
  p2m_form form = p2m_form::list;
  bool frame_lists = true;     // list form: keeps the frame lists of older tools as well
  bool identity_tail = false;  // the last pfns map one to one

  // A guest of 1 MiB to `most_pages` * 4 KiB.
  static KernelSpec random(uint64_t seed, uint64_t most_pages = 4096);
};

struct BuiltDomain {
  DomainNumber domid = 0;
  pfn_t start_info, store_ring, console_ring, init_pgd;
  uint64_t mfn_list_pfn = 0;
  uint64_t first_free = 0;  // pfns from here on are not used by what was built
  uint64_t pfns = 0;        // that the direct map has addresses for
};

// Throws ferry::Error when the host has no room.
BuiltDomain build_domain(Host& host, const KernelSpec& spec);

}  // namespace ferry::sim
