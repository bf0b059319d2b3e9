// What is known of the Linux in a guest.
#include "evidence/kernel.h"

namespace ferry::evidence {

namespace {

// The kernel's own variable leads to the page that this was found in.
bool kernel_knows(KernelMemory& memory, const VmcoreInfo& info) {
  const auto symbols = find_symbols(memory, info, {"vmcoreinfo_note"});
  if (symbols.empty()) return false;
  const auto note = memory.u64(symbols.begin()->second);
  return note && memory.pfn_of(*note) == info.pfn();
}

}  // namespace

std::optional<VmcoreInfo> kernels_own(KernelMemory& memory, const VmcoreInfoSearch& search) {
  for (const VmcoreInfo& info : search.found())
    if (kernel_knows(memory, info)) return info;
  if (search.found().empty()) return std::nullopt;
  return search.found().front();
}

std::optional<VmcoreInfo> find_kernels_own(const GuestPages& pages, KernelMemory& memory,
                                           Executor& executor) {
  std::optional<VmcoreInfo> own;
  const VmcoreInfoSearch search = search_vmcoreinfo(pages, executor, [&](const VmcoreInfo& info) {
    if (kernel_knows(memory, info)) own = info;
    return own.has_value();
  });
  return own ? own : kernels_own(memory, search);
}

}  // namespace ferry::evidence
