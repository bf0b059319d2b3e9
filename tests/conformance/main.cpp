// Runs Xen's rules for PV guests as cases on scratch domains, one line each: name, value, errno.
//
// The same program runs in dom0 on real Xen and on the simulated machine; what both print must be
// the same.
#include <cstdio>

#include "tests/conformance/host_here.h"
#include "tests/conformance/xen.h"

int main() {
  conformance::Here here;  // a simulated host, or nothing on a real one
  conformance::Xen xen;
  if (!xen.open()) {
    fprintf(stderr, "conformance: no Xen here\n");
    return 1;
  }
  conformance::pin_cases(xen);
  conformance::entry_cases(xen);
  conformance::foreign_map_cases(xen);
  conformance::mmu_update_cases(xen);
  conformance::mmuext_cases(xen);
  conformance::context_cases(xen);
  conformance::vcpu_state_cases(xen);
  conformance::memory_cases(xen);
  conformance::domain_cases(xen);
  conformance::host_cases(xen);
  fprintf(stderr, "conformance: %u lines\n", xen.lines());
  return 0;
}
