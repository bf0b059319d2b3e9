// What is known of the Linux in a guest.
#include "evidence/kernel.h"

namespace ferry::evidence {

std::optional<VmcoreInfo> kernels_own(KernelMemory& memory, const VmcoreInfoSearch& search) {
  for (const VmcoreInfo& info : search.found()) {
    const auto symbols = find_symbols(memory, info, {"vmcoreinfo_note"});
    if (symbols.empty()) continue;
    const auto note = memory.u64(symbols.begin()->second);
    if (note && memory.pfn_of(*note) == info.pfn()) return info;
  }
  if (search.found().empty()) return std::nullopt;
  return search.found().front();
}

}  // namespace ferry::evidence
