// The guest half's entry points, and what a compiler expects to find everywhere.
#include "kernel/xen_half.h"

#include "guest/entry_points.inc"

namespace ferry {
namespace {

kernel::Machine machine;
guest<kernel::Machine> half(machine);

}  // namespace

guest<current_machine>& current_guest() {
  return half;
}

static_assert(guest_machine<kernel::Machine>);

}  // namespace ferry

extern "C" {

void* memcpy(void* to, const void* from, size_t n) {
  void* const result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
  return result;
}
void* memset(void* to, int value, size_t n) {
  void* const result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
  return result;
}
void* memmove(void* to, const void* from, size_t n) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= n)
    return memcpy(to, from, n);
  auto* t = static_cast<volatile uint8_t*>(to);
  const auto* f = static_cast<const uint8_t*>(from);
  while (n-- > 0) t[n] = f[n];
  return to;
}
int memcmp(const void* a, const void* b, size_t n) {
  const auto *l = static_cast<const uint8_t*>(a), *r = static_cast<const uint8_t*>(b);
  for (; n > 0; --n, ++l, ++r)
    if (*l != *r) return *l - *r;
  return 0;
}
}
