// What differs between the releases of Xen that the simulated machine answers as: that of the
// headers it was built with.
#pragma once

namespace ferry::sim {

// Each was seen on real Xen 4.17 and 4.20 (tests/conformance). Errors are negative errnos.
struct Release {
  int major, minor;
  const char* extra_version;  // of the Xen that was asked
  // XEN_DOMCTL_getdomaininfo of a number without a domain tells of the next domain; else ESRCH.
  bool info_goes_on_to_next;
  // XEN_DOMCTL_shadow_op on a dying domain, which does nothing.
  int shadow_op_on_dying;
  // XEN_DOMCTL_set_vcpu_msrs with an MSR that Xen does not carry.
  int unknown_msr;
  // XENMEM_acquire_resource of a type that there is not.
  int unknown_resource;
  // VCPUOP_register_vcpu_info for a vCPU that has done so, and with a page that is a page table.
  int vcpu_info_again, vcpu_info_in_a_table;
  // MMUEXT_FLUSH_CACHE_GLOBAL of a guest that has no device.
  int flush_all_caches;
};

const Release& release();

}  // namespace ferry::sim
