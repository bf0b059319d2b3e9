// Frames of another domain, mapped here until the object goes.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "xen/hypervisor.h"

namespace ferry {

// The domain that owns the machine-to-phys table.
inline constexpr domid_t kDomidXen{0x7ff2};

class ForeignMapping {
 public:
  ForeignMapping() = default;

  // Maps frames one behind the other. errors gets, for each frame, 0 or a negative errno: a frame
  // with an error must not be touched. Throws only if nothing could be mapped at all.
  ForeignMapping(const Hypervisor& xen, domid_t domid, int prot, std::span<const mfn_t> frames,
                 std::vector<int>& errors);

  // Maps all of frames or throws Error; what completes "Xen could not map …".
  ForeignMapping(const Hypervisor& xen, domid_t domid, int prot, std::span<const mfn_t> frames,
                 std::string_view what);

  ~ForeignMapping() { unmap(); }
  ForeignMapping(ForeignMapping&& other) noexcept { *this = std::move(other); }
  ForeignMapping& operator=(ForeignMapping&& other) noexcept {
    unmap();
    handle_ = other.handle_;
    pages_ = std::exchange(other.pages_, 0);
    data_ = std::exchange(other.data_, nullptr);
    return *this;
  }

  void unmap();
  bool mapped() const { return data_ != nullptr; }
  size_t pages() const { return pages_; }
  std::byte* page(size_t n) const { return static_cast<std::byte*>(data_) + n * kPageSize; }
  template <typename T>
  T* as(size_t n = 0) const {
    return reinterpret_cast<T*>(page(n));
  }

 private:
  xenforeignmemory_handle* handle_ = nullptr;
  void* data_ = nullptr;
  size_t pages_ = 0;
};

}  // namespace ferry
