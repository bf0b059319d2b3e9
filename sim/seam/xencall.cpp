// libxencall over the simulated machine: xencall_open, hypercall buffers, xencall0 to xencall5.
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sim/machine/hypercall.h"
#include "sim/machine/step.h"
#include "sim/seam/binding.h"
#include "sim/seam/points.h"
#include "sim/seam/usage.h"

extern "C" {
#include <xencall.h>
}

struct xencall_handle {
  ferry::sim::Host* host;
};

namespace {

using ferry::sim::CallKind;
using ferry::sim::usage_counters;

constexpr size_t kPage = ferry::kPageSize;

// What a domain is like afterwards depends on it.
bool changes_a_domain(CallKind kind) {
  switch (kind) {
    case CallKind::domctl_create:
    case CallKind::domctl_life:
    case CallKind::domctl_shadow:
    case CallKind::domctl_vcpu_set:
    case CallKind::memory_populate:
    case CallKind::mmu_update:
    case CallKind::mmuext_op:
      return true;
    default:
      return false;
  }
}

// What the call is about to do, for people.
const char* describe(CallKind kind, const uint64_t args[5]) {
  const auto* domctl = reinterpret_cast<const xen_domctl*>(args[0]);
  if (kind != CallKind::domctl_life || !domctl) return ferry::sim::name_of(kind).data();
  switch (domctl->cmd) {
    case XEN_DOMCTL_pausedomain:
      return "pause the domain";
    case XEN_DOMCTL_unpausedomain:
      return "unpause the domain";
    case XEN_DOMCTL_resumedomain:
      return "resume the domain";
    case XEN_DOMCTL_destroydomain:
      return "destroy the domain";
    default:
      return "set up the domain";
  }
}

// As the kernel hands over the hypervisor's answer: -1 and errno, or the value.
long call(xencall_handle* handle, unsigned op, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
          uint64_t a4 = 0, uint64_t a5 = 0) {
  const uint64_t args[5] = {a1, a2, a3, a4, a5};
  const CallKind kind = ferry::sim::kind_of(op, args);
  if (changes_a_domain(kind)) ferry::sim::reach_point(describe(kind, args));
  const ferry::sim::MachineStep step;
  const long rc = ferry::sim::hypercall(*handle->host, {}, op, args);
  if (rc >= 0 || rc < -4095) return rc;
  errno = static_cast<int>(-rc);
  return -1;
}

void* allocate(xencall_handle* handle, size_t bytes) {
  if (const int os_errno = handle->host->begin_call(CallKind::alloc_buffer, 0)) {
    ++usage_counters().refused_buffers;
    errno = os_errno;
    return nullptr;
  }
  const size_t rounded = (bytes + kPage - 1) / kPage * kPage;
  void* p = aligned_alloc(kPage, rounded ? rounded : kPage);
  if (!p) return nullptr;
  memset(p, 0, rounded);
  ++usage_counters().buffers;
  return p;
}

void release(void* p) {
  if (!p) return;
  free(p);
  --usage_counters().buffers;
}

}  // namespace

extern "C" {

xencall_handle* xencall_open(xentoollog_logger*, unsigned) {
  ferry::sim::Host* host = ferry::sim::bound_host();
  const int os_errno = host ? host->begin_call(CallKind::open, 0) : ENOENT;
  if (os_errno) {
    errno = os_errno;
    return nullptr;
  }
  ferry::sim::tell_points(*host);
  ++usage_counters().handles;
  return new xencall_handle{host};
}

int xencall_close(xencall_handle* handle) {
  if (!handle) return 0;
  delete handle;
  --usage_counters().handles;
  return 0;
}

int xencall_fd(xencall_handle*) {
  return -1;
}

int xencall0(xencall_handle* h, unsigned op) {
  return static_cast<int>(call(h, op));
}
int xencall1(xencall_handle* h, unsigned op, uint64_t a1) {
  return static_cast<int>(call(h, op, a1));
}
int xencall2(xencall_handle* h, unsigned op, uint64_t a1, uint64_t a2) {
  return static_cast<int>(call(h, op, a1, a2));
}
int xencall3(xencall_handle* h, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3) {
  return static_cast<int>(call(h, op, a1, a2, a3));
}
int xencall4(xencall_handle* h, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4) {
  return static_cast<int>(call(h, op, a1, a2, a3, a4));
}
int xencall5(xencall_handle* h, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
             uint64_t a5) {
  return static_cast<int>(call(h, op, a1, a2, a3, a4, a5));
}
long xencall2L(xencall_handle* h, unsigned op, uint64_t a1, uint64_t a2) {
  return call(h, op, a1, a2);
}

void* xencall_alloc_buffer_pages(xencall_handle* handle, size_t pages) {
  return allocate(handle, pages * kPage);
}
void xencall_free_buffer_pages(xencall_handle*, void* p, size_t) {
  release(p);
}
void* xencall_alloc_buffer(xencall_handle* handle, size_t bytes) {
  return allocate(handle, bytes);
}
void xencall_free_buffer(xencall_handle*, void* p) {
  release(p);
}
int xencall_buffers_never_fault(xencall_handle*) {
  return 1;
}

}  // extern "C"
