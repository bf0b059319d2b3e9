// Xen's clock: the TSC, and in vcpu_info what to make of it.
#include "kernel/clock.h"

#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/hypercall.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

uint64_t offset;  // of our time to Xen's on this host

uint64_t time_stamp() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return uint64_t{high} << 32 | low;
}

uint64_t xen_time() {
  const auto& info =
      *reinterpret_cast<const volatile vcpu_info_t*>(current_guest().cpus.info_va(this_cpu()));
  for (;;) {
    const uint32_t version = info.time.version;
    asm volatile("" : : : "memory");
    const uint64_t since = time_stamp() - info.time.tsc_timestamp;
    const int8_t shift = info.time.tsc_shift;
    const uint64_t ticks = shift < 0 ? since >> -shift : since << shift;
    using wide = unsigned __int128;
    const uint64_t result = info.time.system_time +
                            static_cast<uint64_t>(wide{ticks} * info.time.tsc_to_system_mul >> 32);
    asm volatile("" : : : "memory");
    if (version % 2 == 0 && info.time.version == version) return result;
  }
}

}  // namespace

uint64_t now() {
  return xen_time() + offset;
}

void go_on_from(uint64_t was) {
  offset = was - xen_time();
}

void set_timer(uint64_t when) {
  vcpu_set_singleshot_timer timer{};
  timer.timeout_abs_ns = when - offset;
  if (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, this_cpu(), address(&timer)) !=
      0)
    bug("the timer cannot be set");
}

}  // namespace ferry::kernel
