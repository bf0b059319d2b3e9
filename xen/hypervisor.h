// The open handles to Xen, and how its errors become sentences.
#pragma once

#include <string>
#include <string_view>

#include "error/error.h"
#include "p2m/frames.h"

// Of libxenctrl, libxenforeignmemory and libxencall.
extern "C" {
struct xc_interface_core;
struct xenforeignmemory_handle;
struct xencall_handle;
}

namespace ferry {

// One for each thread that makes domctls: libxenctrl keeps state in its handle.
class Hypervisor {
 public:
  // Throws Error(no_xen) when there is no hypervisor or no permission, Error(wrong_xen) when it is
  // not of the release libxenctrl was built for.
  Hypervisor();
  ~Hypervisor();
  Hypervisor(const Hypervisor&) = delete;
  Hypervisor& operator=(const Hypervisor&) = delete;

  xc_interface_core* xch() const { return xch_; }
  xenforeignmemory_handle* foreign_memory() const { return foreign_memory_; }
  xencall_handle* call() const { return call_; }

  uint32_t major() const { return version_ >> 16; }
  uint32_t minor() const { return version_ & 0xffff; }

  // The number of machine frames of this host: every mfn is below it.
  uint64_t nr_mfns() const { return nr_mfns_; }

 private:
  void open();
  void close();

  xc_interface_core* xch_ = nullptr;
  xenforeignmemory_handle* foreign_memory_ = nullptr;
  xencall_handle* call_ = nullptr;
  uint32_t version_ = 0;
  uint64_t nr_mfns_ = 0;
};

// What Xen was booted with. Throws.
std::string xen_command_line(const Hypervisor& xen);

// Throws the Error for a failed call, from errno; doing completes "Xen refused to …".
[[noreturn]] void fail_xen(std::string_view doing);
// The same for an explicit errno value.
[[noreturn]] void fail_xen(std::string_view doing, int os_errno);

constexpr uint32_t raw(domid_t domid) {
  return static_cast<uint32_t>(domid);
}

}  // namespace ferry
