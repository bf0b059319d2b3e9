// What a conversion of a whole page of entries says, and of which entry. Freestanding-clean.
#pragma once

#include <stdint.h>

namespace ferry {

enum class entry_fault : uint8_t {
  none,
  foreign_frame,      // to pfn form: the machine frame is not one of the guest's own
  superpage,          // PSE in an L2 to L4 entry
  xen_slot,           // from pfn form: something stands where only Xen may write (L4 256 to 271)
  pfn_without_frame,  // from pfn form: the guest has no frame at this pfn
  malformed,          // from pfn form: a p2m value that going to pfn form never gives
  frame_too_large,    // the policy answered with a frame number that has no place in the entry
};

// Names the first entry that could not be converted; entries after it were not looked at.
struct [[nodiscard]] entry_result {
  entry_fault fault = entry_fault::none;
  unsigned index = 0;  // of the entry in its page, 0 to 511
  uint64_t entry = 0;  // as it was read

  constexpr bool ok() const { return fault == entry_fault::none; }
};

// For messages: "PTE 0x… at index 7 of L1: <text>".
constexpr const char* text_of(entry_fault fault) {
  switch (fault) {
    case entry_fault::none:
      return "no fault";
    case entry_fault::foreign_frame:
      return "frame is not the guest's own";
    case entry_fault::superpage:
      return "superpage";
    case entry_fault::xen_slot:
      return "slot belongs to Xen";
    case entry_fault::pfn_without_frame:
      return "pfn has no frame";
    case entry_fault::malformed:
      return "malformed entry";
    case entry_fault::frame_too_large:
      return "frame number too large";
  }
  return "unknown fault";
}

}  // namespace ferry
