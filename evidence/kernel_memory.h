// The kernel's virtual memory, through the guest's own page tables.
#pragma once

#include <optional>
#include <span>

#include "audit/walk.h"
#include "evidence/guest_pages.h"

namespace ferry::evidence {

class KernelMemory {
 public:
  // root: pfn of an L4. It is read now: of a guest that runs, it may be another page soon.
  KernelMemory(const GuestPages& pages, uint64_t root);

  std::optional<uint64_t> pfn_of(uint64_t vaddr);

  // False if not all of it is mapped to pages with a frame. Throws Error(bad_image), Error(io).
  bool read(uint64_t vaddr, std::span<std::byte> into);
  std::optional<uint64_t> u64(uint64_t vaddr) { return number<uint64_t>(vaddr); }
  std::optional<uint32_t> u32(uint64_t vaddr) { return number<uint32_t>(vaddr); }

 private:
  template <typename T>
  std::optional<T> number(uint64_t vaddr) {
    T value;
    if (!read(vaddr, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }
  bool load(uint64_t vaddr);

  const GuestPages& pages_;
  audit::PageReader table_reader_;
  audit::Walker walker_;
  uint64_t root_;
  std::optional<uint64_t> held_;  // address of the page in page_
  std::array<std::byte, kPageSize> page_{};
};

}  // namespace ferry::evidence
