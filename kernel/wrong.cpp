// One wrong thing at a time.
#include "kernel/wrong.h"

#include "guest/xen_guest.h"
#include "kernel/buffers.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/words.h"
#include "kernel/workload.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

Wrong chosen = Wrong::nothing;
uint64_t hole;

// shared_info once more, where the guest half does not know of it.
void show_xens_frame() {
  const uint64_t entry = current_guest().core.map.l1_entry(current_guest().core.shared_info_va);
  set_pte_mfn(hole, (entry & kPteFrameMask) >> kPageShift, {kKernelReadWrite});
}

void lie_in_p2m() {
  pfn_t of;
  if (!some_buffer(of)) return;
  for (uint64_t pfn = memory_end(); pfn-- > 0;)
    if (record_of(pfn_t(pfn)).use == PageUse::absent) {
      if (!set_phys_to_machine(pfn, pfn_to_mfn(of.raw()))) complain("the p2m cannot lie");
      return;
    }
}

}  // namespace

Wrong wrong() {
  return chosen;
}

void choose_wrong(const char* words, uint64_t at) {
  constexpr struct {
    const char* word;
    Wrong what;
  } kChoices[] = {{"wrong=frame", Wrong::frame}, {"wrong=pins", Wrong::pins},
                  {"wrong=p2m", Wrong::p2m},     {"wrong=moving", Wrong::moving},
                  {"wrong=deaf", Wrong::deaf},   {"wrong=twice", Wrong::twice}};
  hole = at;
  for (const auto& choice : kChoices)
    if (has_word(words, choice.word)) chosen = choice.what;
  if (chosen == Wrong::frame) show_xens_frame();
}

void do_wrong() {
  static bool lied = false;
  if (chosen == Wrong::p2m && !lied) {
    lie_in_p2m();
    lied = true;
  }
  if (chosen != Wrong::moving) return;
  auto* generation = reinterpret_cast<volatile uint64_t*>(current_guest().core.shared_info_va +
                                                          kSharedInfoP2mGeneration);
  *generation = *generation + 2;
}

void do_wrong_before_suspend() {
  if (chosen == Wrong::pins) believe_all_pinned(true);
}
void do_wrong_after_suspend() {
  if (chosen == Wrong::pins) believe_all_pinned(false);
  if (chosen == Wrong::frame) show_xens_frame();
}

}  // namespace ferry::kernel
