// Memory that a hypercall can read and write, and domctls made with it.
#pragma once

#include <cstring>

#include "xen/hypervisor.h"
#include "xen/xen_headers.h"

namespace ferry {

class HypercallBuffer {
 public:
  // Zeroed. Throws Error(no_memory).
  HypercallBuffer(const Hypervisor& xen, size_t bytes)
      : call_(xen.call()), data_(xencall_alloc_buffer(call_, bytes ? bytes : 1)) {
    if (!data_) fail_errno(Errc::no_memory, ENOMEM, "no memory for a hypercall buffer");
    std::memset(data_, 0, bytes);
  }
  ~HypercallBuffer() { xencall_free_buffer(call_, data_); }
  HypercallBuffer(const HypercallBuffer&) = delete;
  HypercallBuffer& operator=(const HypercallBuffer&) = delete;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  xencall_handle* call_;
  void* data_;
};

// One domctl for which libxenctrl has no wrapper: fill in op().u, then call().
class Domctl {
 public:
  Domctl(const Hypervisor& xen, domid_t domid, uint32_t cmd)
      : call_(xen.call()), buffer_(xen, sizeof(xen_domctl)) {
    op().cmd = cmd;
    op().interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op().domain = static_cast<uint16_t>(domid);
  }
  xen_domctl& op() const { return *buffer_.as<xen_domctl>(); }

  // 0, or -1 and errno.
  int call() { return xencall1(call_, __HYPERVISOR_domctl, reinterpret_cast<uint64_t>(&op())); }

 private:
  xencall_handle* call_;
  HypercallBuffer buffer_;
};

}  // namespace ferry
