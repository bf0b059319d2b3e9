// The start_info page: where the guest finds its rings, event channels and shared_info.
#include "restore/start_info.h"

#include <sys/mman.h>

#include "xen/foreign_mapping.h"
#include "xen/xen_abi.h"

namespace ferry {
namespace {

mfn_t ring_frame(const FrameMap& frames, uint64_t pfn, const char* what) {
  mfn_t mfn;
  if (!frames.mfn_of(pfn_t(pfn), mfn) || frames.kind(pfn_t(pfn)) == PageKind::absent ||
      is_page_table(frames.kind(pfn_t(pfn))))
    fail(Errc::bad_image, "the image is bad: start_info names page {:#x} as the {} ring", pfn,
         what);
  return mfn;
}

}  // namespace

RestoreResult fix_start_info(const Hypervisor& xen, const RestoreTarget& target,
                             const DomainInfo& domain, const FrameMap& frames, pfn_t start_info) {
  mfn_t mfn;
  if (!frames.mfn_of(start_info, mfn))
    fail(Errc::bad_image, "the image is bad: its start_info page {:#x} has no frame",
         start_info.raw());
  ForeignMapping mapping(xen, target.domid, PROT_READ | PROT_WRITE, {&mfn, 1},
                         "start_info of the new guest");
  auto* page = mapping.as<start_info_x86_64_t>();
  RestoreResult result;
  result.store_mfn = ring_frame(frames, page->store_mfn, "xenstore");
  result.console_mfn = ring_frame(frames, page->console.domU.mfn, "console");
  page->shared_info = static_cast<uint64_t>(maddr_of(domain.shared_info));
  // Of the flags only this one is still true of the guest here; without it Linux goes back to a
  // tree that cannot describe more than 512 GiB.
  page->flags &= SIF_VIRT_P2M_4TOOLS;
  page->store_mfn = result.store_mfn.raw();
  page->store_evtchn = target.store_evtchn;
  page->console.domU.mfn = result.console_mfn.raw();
  page->console.domU.evtchn = target.console_evtchn;
  return result;
}

}  // namespace ferry
