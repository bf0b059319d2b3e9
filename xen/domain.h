// What Xen knows of a domain.
#pragma once

#include <cstdint>
#include <vector>

#include "xen/hypervisor.h"
#include "xen/uuid.h"

namespace ferry {

struct DomainInfo {
  domid_t domid{};
  bool hvm = false;  // HVM or PVH: not a PV guest
  bool dying = false;
  bool crashed = false;
  bool paused = false;     // by the toolstack; says nothing of suspension
  bool suspended = false;  // shut down with reason suspend
  bool shut_down = false;  // with any reason but a crash
  unsigned shutdown_reason = 0;
  uint64_t nr_pages = 0;   // frames it owns now
  uint64_t max_pages = 0;  // frames it may own
  mfn_t shared_info;
  uint32_t max_vcpu_id = 0;
  uint64_t cpu_time_ns = 0;  // that its vCPUs have had
  DomainUuid uuid{};
};

// Throws Error(no_domain).
DomainInfo get_domain(const Hypervisor& xen, domid_t domid);

// All of this host, domain 0 first, those that are being destroyed too. Throws.
std::vector<DomainInfo> list_domains(const Hypervisor& xen);

// Bytes of the guest's unsigned long: 8 or 4.
unsigned guest_width(const Hypervisor& xen, domid_t domid);

// Frames of this host that no domain has.
uint64_t free_pages(const Hypervisor& xen);

// Lets a suspended guest go on: its suspend hypercall returns 1 ("cancelled"). Throws.
void resume_fast(const Hypervisor& xen, domid_t domid);

// Once more: it runs again when it was let as often. Throws.
void pause_domain(const Hypervisor& xen, domid_t domid);

// With all that it has. Throws.
void destroy_domain(const Hypervisor& xen, domid_t domid);

}  // namespace ferry
