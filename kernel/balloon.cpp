// Giving memory back to Xen, and taking it again.
#include "kernel/balloon.h"

#include "guest/xen_guest.h"
#include "kernel/buffers.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/store.h"

namespace ferry::kernel {
namespace {

constexpr const char* kTarget = "memory/target";  // in KiB
constexpr char kTargetWatch = 'b';
constexpr unsigned kPagesAtOnce = 64;
constexpr uint64_t kReserve = 512;  // pages that stay free meanwhile

uint64_t target;       // pages; 0: nobody asked yet
uint64_t search_from;  // where the next pfn without memory may be

void read_target() {
  char number[24];
  const int length = store().read(0, kTarget, number, sizeof number);
  uint64_t kib = 0;
  for (int i = 0; i < length && number[i] >= '0' && number[i] <= '9'; ++i)
    kib = 10 * kib + static_cast<uint64_t>(number[i] - '0');
  if (kib != 0) target = kib / 4;
}

bool give_one() {
  if (free_pages() < kReserve) drop_buffers(kPagesAtOnce);
  pfn_t pfn;
  if (free_pages() < kReserve || !alloc_page(PageUse::kernel, pfn)) return false;
  if (!xen_balloon_out(pfn.raw())) {
    free_page(pfn);
    return false;
  }
  lose_page(pfn);
  return true;
}

bool take_one() {
  for (uint64_t i = 0; i < memory_end(); ++i) {
    const pfn_t pfn((search_from + i) % memory_end());
    if (record_of(pfn).use != PageUse::absent ||
        get_phys_to_machine(pfn.raw()) != INVALID_P2M_ENTRY)
      continue;
    search_from = pfn.raw() + 1;
    if (!xen_balloon_in(pfn.raw())) return false;
    gain_page(pfn);
    return true;
  }
  return false;
}

}  // namespace

void set_up_balloon() {
  if (store().watch(kTarget, kTargetWatch) != 0) complain("xenstore sets no watch");
}

void balloon() {
  if (store().fired(kTargetWatch)) read_target();
  for (unsigned n = 0; n < kPagesAtOnce && target != 0 && pages_of_memory() != target; ++n)
    if (!(pages_of_memory() > target ? give_one() : take_one())) return;
}

}  // namespace ferry::kernel
