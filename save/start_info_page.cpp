// The guest's start_info page on its way out: what is this host's stays here.
#include "save/start_info_page.h"

#include "error/error.h"
#include "xen/xen_abi.h"

namespace ferry {
namespace {

void check_ring(uint64_t pfn, uint64_t nr_pfns, const char* what) {
  if (pfn >= nr_pfns)
    fail(Errc::guest,
         "the guest cannot be saved: its start_info names page {:#x} as the {} ring, beyond its "
         "memory of {:#x} pages",
         pfn, what, nr_pfns);
}

}  // namespace

void canonicalize_start_info(std::byte* copy, uint64_t nr_pfns) {
  auto* page = reinterpret_cast<start_info_x86_64_t*>(copy);
  check_ring(page->store_mfn, nr_pfns, "xenstore");
  check_ring(page->console.domU.mfn, nr_pfns, "console");
  page->shared_info = 0;  // a machine address
}

std::array<pfn_t, 2> rings_of_start_info(const std::byte* page) {
  const auto* start = reinterpret_cast<const start_info_x86_64_t*>(page);
  return {pfn_t(start->store_mfn), pfn_t(start->console.domU.mfn)};
}

}  // namespace ferry
