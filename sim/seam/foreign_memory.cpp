// libxenforeignmemory over the simulated machine.
#include <sys/mman.h>

#include <cerrno>
#include <vector>

#include "sim/machine/foreign_map.h"
#include "sim/machine/grants.h"
#include "sim/machine/release.h"
#include "sim/machine/step.h"
#include "sim/seam/binding.h"
#include "sim/seam/mappings.h"
#include "sim/seam/usage.h"

extern "C" {
#include <xenforeignmemory.h>
}

struct xenforeignmemory_handle {
  ferry::sim::Host* host;
};

struct xenforeignmemory_resource_handle {
  void* address;
  size_t bytes;
};

namespace {

using ferry::mfn_t;
using namespace ferry::sim;

// References for every page that can be had; the others get their errno in err.
std::vector<uint64_t> take_frames(Host& host, uint32_t dom, bool writable, size_t pages,
                                  const xen_pfn_t* arr, int* err) {
  std::vector<uint64_t> frames(pages, kNoFrame);
  HostLock lock(host);
  for (size_t i = 0; i < pages; ++i) {
    const int fault = host.faults().next(CallKind::map_foreign_page);
    err[i] =
        fault ? -fault : map_frame(host, static_cast<DomainNumber>(dom), mfn_t(arr[i]), writable);
    if (err[i] == 0) frames[i] = arr[i];
  }
  return frames;
}

void give_back(Host& host, bool writable, const std::vector<uint64_t>& frames) {
  HostLock lock(host);
  for (const uint64_t frame : frames)
    if (frame != kNoFrame) unmap_frame(host, mfn_t(frame), writable);
}

int resource_frames(Host& host, uint16_t domid, unsigned type, unsigned id, unsigned long first,
                    unsigned long count, std::vector<uint64_t>& frames) {
  HostLock lock(host);
  Domain* d = host.find_domain(domid);
  if (!d) return ESRCH;
  if (type != XENMEM_resource_grant_table || id != XENMEM_resource_grant_table_id_shared)
    return type == XENMEM_resource_grant_table ? EINVAL : -release().unknown_resource;
  for (unsigned long i = 0; i < count; ++i) {
    mfn_t mfn;
    if (int rc = grant_table_frame(host, *d, static_cast<uint32_t>(first + i), mfn)) return -rc;
    frames.push_back(mfn.raw());
  }
  return 0;
}

}  // namespace

extern "C" {

xenforeignmemory_handle* xenforeignmemory_open(xentoollog_logger*, unsigned) {
  Host* host = bound_host();
  const int os_errno = host ? host->begin_call(CallKind::open, 0) : ENOENT;
  if (os_errno) {
    errno = os_errno;
    return nullptr;
  }
  ++usage_counters().handles;
  return new xenforeignmemory_handle{host};
}

int xenforeignmemory_close(xenforeignmemory_handle* handle) {
  if (!handle) return 0;
  delete handle;
  --usage_counters().handles;
  return 0;
}

void* xenforeignmemory_map2(xenforeignmemory_handle* handle, uint32_t dom, void* addr, int prot,
                            int flags, size_t pages, const xen_pfn_t arr[], int err[]) {
  const MachineStep step;
  Host& host = *handle->host;
  if (const int os_errno = host.begin_call(CallKind::map_foreign, 0)) {
    errno = os_errno;
    return nullptr;
  }
  if (pages == 0) {
    errno = EINVAL;
    return nullptr;
  }
  const bool writable = prot & PROT_WRITE;
  std::vector<int> own_errors;
  int* errors = err;
  if (!errors) {
    own_errors.resize(pages);
    errors = own_errors.data();
  }
  std::vector<uint64_t> frames = take_frames(host, dom, writable, pages, arr, errors);
  // Without an err[] of the caller one bad page spoils the whole mapping.
  for (const int e : own_errors) {
    if (e == 0) continue;
    give_back(host, writable, frames);
    errno = -e;
    return nullptr;
  }
  void* at = add_mapping(host, addr, prot, flags, frames);
  if (!at) {
    const int os_errno = errno;
    give_back(host, writable, frames);
    errno = os_errno;
  }
  return at;
}

void* xenforeignmemory_map(xenforeignmemory_handle* handle, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t arr[], int err[]) {
  return xenforeignmemory_map2(handle, dom, nullptr, prot, 0, pages, arr, err);
}

int xenforeignmemory_unmap(xenforeignmemory_handle*, void* addr, size_t pages) {
  return munmap(addr, pages << ferry::kPageShift);
}

int xenforeignmemory_restrict(xenforeignmemory_handle*, domid_t) {
  errno = EOPNOTSUPP;
  return -1;
}

xenforeignmemory_resource_handle* xenforeignmemory_map_resource(xenforeignmemory_handle* handle,
                                                                domid_t domid, unsigned type,
                                                                unsigned id, unsigned long frame,
                                                                unsigned long nr_frames,
                                                                void** paddr, int prot, int flags) {
  const MachineStep step;
  Host& host = *handle->host;
  int os_errno = host.begin_call(CallKind::map_resource, 0);
  if (!os_errno && (flags & ~(MAP_SHARED | MAP_PRIVATE))) os_errno = EINVAL;
  std::vector<uint64_t> names;
  if (!os_errno) os_errno = resource_frames(host, domid, type, id, frame, nr_frames, names);
  if (os_errno) {
    errno = os_errno;
    return nullptr;
  }
  std::vector<int> errors(names.size());
  const std::vector<xen_pfn_t> arr(names.begin(), names.end());
  const bool writable = prot & PROT_WRITE;
  std::vector<uint64_t> frames =
      take_frames(host, domid, writable, arr.size(), arr.data(), errors.data());
  // A resource is mapped whole or not at all.
  for (const int error : errors) {
    if (error == 0) continue;
    give_back(host, writable, frames);
    errno = -error;
    return nullptr;
  }
  void* at = add_mapping(host, *paddr, prot, 0, frames);
  if (!at) {
    give_back(host, writable, frames);
    errno = ENOMEM;
    return nullptr;
  }
  *paddr = at;
  ++usage_counters().handles;
  return new xenforeignmemory_resource_handle{at, nr_frames << ferry::kPageShift};
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle*,
                                    xenforeignmemory_resource_handle* resource) {
  if (!resource) return 0;
  const int rc = munmap(resource->address, resource->bytes);
  delete resource;
  --usage_counters().handles;
  return rc;
}

int xenforeignmemory_resource_size(xenforeignmemory_handle* handle, domid_t domid, unsigned type,
                                   unsigned id, size_t* size) {
  std::vector<uint64_t> none;
  Host& host = *handle->host;
  if (const int os_errno = resource_frames(host, domid, type, id, 0, 0, none)) {
    errno = os_errno;
    return -1;
  }
  HostLock lock(host);
  *size = size_t{host.find_domain(domid)->grants.max_frames} << ferry::kPageShift;
  return 0;
}

}  // extern "C"
