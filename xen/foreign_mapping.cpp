// Frames of another domain, mapped here until the object goes.
#include "xen/foreign_mapping.h"

#include "xen/xen_headers.h"

namespace ferry {
namespace {

static_assert(static_cast<uint16_t>(kDomidXen) == DOMID_XEN);
static_assert(sizeof(mfn_t) == sizeof(xen_pfn_t), "frames are handed to Xen as they are");

const xen_pfn_t* numbers(std::span<const mfn_t> frames) {
  return reinterpret_cast<const xen_pfn_t*>(frames.data());
}

}  // namespace

ForeignMapping::ForeignMapping(const Hypervisor& xen, domid_t domid, int prot,
                               std::span<const mfn_t> frames, std::vector<int>& errors)
    : handle_(xen.foreign_memory()), pages_(frames.size()) {
  errors.assign(frames.size(), 0);
  if (frames.empty()) return;
  data_ = xenforeignmemory_map(handle_, raw(domid), prot, frames.size(), numbers(frames),
                               errors.data());
  if (!data_) fail_xen("map frames of the guest");
}

ForeignMapping::ForeignMapping(const Hypervisor& xen, domid_t domid, int prot,
                               std::span<const mfn_t> frames, std::string_view what)
    : handle_(xen.foreign_memory()), pages_(frames.size()) {
  if (frames.empty()) return;
  std::vector<int> errors(frames.size(), 0);
  data_ = xenforeignmemory_map(handle_, raw(domid), prot, frames.size(), numbers(frames),
                               errors.data());
  if (!data_) fail_xen(fmt::format("map {}", what));
  for (size_t i = 0; i < errors.size(); ++i) {
    if (errors[i] == 0) continue;
    unmap();
    fail_xen(fmt::format("map {} (machine frame {:#x})", what, frames[i].raw()), -errors[i]);
  }
}

void ForeignMapping::unmap() {
  if (!data_) return;
  xenforeignmemory_unmap(handle_, data_, pages_);
  data_ = nullptr;
  pages_ = 0;
}

}  // namespace ferry
