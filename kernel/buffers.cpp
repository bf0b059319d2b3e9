// Filling and judging memory.
#include "kernel/buffers.h"

#include "guest/abi.h"
#include "guest/kernel_map.h"
#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/content.h"
#include "kernel/hypercall.h"
#include "kernel/memory.h"

namespace ferry::kernel {
namespace {

uint64_t random_state = 7;

volatile uint64_t* words_of(pfn_t pfn) {
  return reinterpret_cast<volatile uint64_t*>(va_of(pfn));
}

void write(pfn_t pfn) {
  // Now and then zeros, as most memory holds.
  const uint64_t content = draw(random_state) % 8 == 0 ? 0 : draw(random_state) | 1;
  record_of(pfn).content = content;
  fill(words_of(pfn), content);
}

}  // namespace

// From a random place on.
bool some_buffer(pfn_t& pfn) {
  const uint64_t end = memory_end(), from = draw(random_state) % end;
  for (uint64_t i = 0; i < end; ++i) {
    pfn = pfn_t((from + i) % end);
    if (record_of(pfn).use == PageUse::buffer) return true;
  }
  return false;
}

void make_buffers(uint64_t pages) {
  pfn_t pfn;
  while (pages-- > 0 && alloc_page(PageUse::buffer, pfn)) write(pfn);
}

void change_buffers() {
  const uint64_t end = memory_end();
  for (uint64_t n = 0, at = draw(random_state) % end; n < 64; ++n, at = (at + 1) % end)
    if (record_of(pfn_t(at)).use == PageUse::buffer) write(pfn_t(at));
}

void drop_buffers(uint64_t pages) {
  pfn_t pfn;
  while (pages-- > 0 && some_buffer(pfn)) free_page(pfn);
}

void exchange_frames() {
  pfn_t a, b;
  if (!some_buffer(a) || !some_buffer(b) || a == b) return;
  const uint64_t mfn_a = pfn_to_mfn(a.raw()), mfn_b = pfn_to_mfn(b.raw());
  set_pte_mfn(va_of(a), 0, {0});
  set_pte_mfn(va_of(b), 0, {0});
  if (!__set_phys_to_machine(a.raw(), INVALID_P2M_ENTRY) ||
      !__set_phys_to_machine(b.raw(), INVALID_P2M_ENTRY))
    bug("a page without a leaf of the p2m");
  const abi::mmu_update updates[2] = {{mfn_a << kPageShift | abi::kMachphysUpdate, b.raw()},
                                      {mfn_b << kPageShift | abi::kMachphysUpdate, a.raw()}};
  if (hypercall(abi::kMmuUpdate, address(updates), 2, 0, abi::kDomidSelf) != 0)
    bug("the M2P cannot be changed");
  if (!__set_phys_to_machine(a.raw(), mfn_b) || !__set_phys_to_machine(b.raw(), mfn_a))
    bug("a page without a leaf of the p2m");
  set_pte_mfn(va_of(a), mfn_b, {kKernelReadWrite});
  set_pte_mfn(va_of(b), mfn_a, {kKernelReadWrite});
  // Another vCPU may still know where they were.
  xen_mmu_ops()->flush_tlb_one_all(va_of(a));
  xen_mmu_ops()->flush_tlb_one_all(va_of(b));
  const uint64_t content = record_of(a).content;
  record_of(a).content = record_of(b).content;
  record_of(b).content = content;
}

void check_memory() {
  for (uint64_t n = 0; n < memory_end(); ++n) {
    const pfn_t pfn(n);
    const PageRecord& r = record_of(pfn);
    if (r.use != PageUse::buffer && r.use != PageUse::user && r.use != PageUse::granted) continue;
    const unsigned word = r.changing ? first_difference(words_of(pfn), r.content, r.new_content)
                                     : first_difference(words_of(pfn), r.content);
    if (word != kWords)
      complain("page ", hex{n}, " does not hold at word ", word, " what was written to it");
  }
}

}  // namespace ferry::kernel
