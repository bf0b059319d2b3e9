// The kernel's virtual memory.
#include "evidence/kernel_memory.h"

#include <algorithm>

namespace ferry::evidence {
namespace {

constexpr uint64_t kSomeKernelAddress = 0xffff'ffff'8100'0000;

}  // namespace

KernelMemory::KernelMemory(const GuestPages& pages, uint64_t root)
    : pages_(pages),
      table_reader_(pages.image(), pages.map()),
      walker_(table_reader_, pages.map()),
      root_(root) {
  walker_.walk(root_, kSomeKernelAddress);  // which keeps the tables on its way
}

std::optional<uint64_t> KernelMemory::pfn_of(uint64_t vaddr) {
  return walker_.walk(root_, vaddr).pfn;
}

bool KernelMemory::load(uint64_t vaddr) {
  if (held_ == vaddr) return true;
  held_.reset();
  const std::optional<uint64_t> pfn = pfn_of(vaddr);
  if (!pfn || !pages_.read(*pfn, page_)) return false;
  held_ = vaddr;
  return true;
}

bool KernelMemory::read(uint64_t vaddr, std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t at = vaddr % kPageSize;
    if (!load(vaddr - at)) return false;
    const size_t bytes = std::min(into.size(), kPageSize - at);
    std::copy_n(page_.begin() + static_cast<ptrdiff_t>(at), bytes, into.begin());
    into = into.subspan(bytes);
    vaddr += bytes;
  }
  return true;
}

}  // namespace ferry::evidence
