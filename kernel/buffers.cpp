// Filling and judging memory.
#include "kernel/buffers.h"

#include "kernel/console.h"
#include "kernel/content.h"
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

void make_buffers(uint64_t pages) {
  pfn_t pfn;
  while (pages-- > 0 && alloc_page(PageUse::buffer, pfn)) write(pfn);
}

void change_buffers() {
  const uint64_t end = memory_end();
  for (uint64_t n = 0, at = draw(random_state) % end; n < 64; ++n, at = (at + 1) % end)
    if (record_of(pfn_t(at)).use == PageUse::buffer) write(pfn_t(at));
}

void check_memory() {
  for (uint64_t n = 0; n < memory_end(); ++n) {
    const pfn_t pfn(n);
    if (record_of(pfn).use != PageUse::buffer) continue;
    const unsigned word = first_difference(words_of(pfn), record_of(pfn).content);
    if (word != kWords)
      complain("page ", hex{n}, " does not hold at word ", word, " what was written to it");
  }
}

}  // namespace ferry::kernel
