// A page that was allocated before a lock was taken, because under it nothing may be allocated.
// Freestanding-clean.
#pragma once

#include "p2m/kernel_memory.h"

namespace ferry {

// Goes back to the allocator unless somebody took it.
template <kernel_memory Memory>
class spare_page {
 public:
  explicit spare_page(Memory& memory) : memory_(memory) {}
  spare_page(const spare_page&) = delete;
  spare_page& operator=(const spare_page&) = delete;
  ~spare_page() {
    if (have_) memory_.free_page(pfn_);
  }

  // False if a page is wanted and there is none.
  [[nodiscard]] bool reserve(bool wanted = true) {
    have_ = wanted && memory_.alloc_page(pfn_);
    return have_ || !wanted;
  }
  bool have() const { return have_; }
  pfn_t pfn() const { return pfn_; }
  void taken() { have_ = false; }

 private:
  Memory& memory_;
  pfn_t pfn_;
  bool have_ = false;
};

}  // namespace ferry
