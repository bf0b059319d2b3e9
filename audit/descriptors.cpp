// Would Xen take a page as part of a descriptor table?
//
//   63      56 55 52 51   48 47 46 45 44 43  40 39     32 31          16 15           0
//   | base     | …  | limit | P | DPL | S | type | base     | base         | limit        |
//   | offset             | P | DPL | 0 |  c   |   0      | selector     | offset       |  call gate
#include "audit/descriptors.h"

#include "audit/layout.h"

namespace ferry::audit {

std::string_view fault_of_descriptor(uint64_t descriptor) {
  const auto low = static_cast<uint32_t>(descriptor);
  const auto high = static_cast<uint32_t>(descriptor >> 32);
  const bool present = (high >> 15 & 1) != 0, code_or_data = (high >> 12 & 1) != 0;
  // Xen raises the privilege level of those it takes; a system segment of type 0 is the second half
  // of a call gate.
  const uint32_t type = high >> 8 & 0xf;
  if (!present || code_or_data || type == 0) return {};
  if (type != 0xc) return "is a system segment that only Xen may have";
  // Selectors are raised to ring 3 before they are judged.
  const uint32_t selector = low >> 16 | 3;
  const bool in_ldt = (selector & 4) != 0;
  if (!in_ldt && selector >> 3 >= kMaxGdtEntries && selector != kFlatKernelCs)
    return "is a call gate into a segment of Xen's";
  return (high & 0xff) != 0 ? "is a call gate with reserved bits set" : std::string_view();
}

void check_gdt_page(const Place& place, std::span<const std::byte, kPageSize> page,
                    Findings& findings) {
  for (unsigned i = 0; i < kGdtEntriesPerPage; ++i) {
    const uint64_t descriptor = load_u64(page, i * sizeof(uint64_t));
    const std::string_view fault = fault_of_descriptor(descriptor);
    if (fault.empty()) continue;
    Place here = place;
    here.index = i;
    findings.add(rule::gdt_descriptor, here, "Descriptor {} of GDT frame {:#x} {}.", i, *place.pfn,
                 fault);
  }
}

}  // namespace ferry::audit
