// vCPU records back into vCPUs, every pfn in them turned into a frame of this host.
#include "restore/vcpu_contexts.h"

#include <cstring>

#include "xen/vcpu.h"

namespace ferry {
namespace {

constexpr uint64_t kUserTableValid = 1;  // bit 0 of ctrlreg[1]

VcpuContext context_of(const GuestVcpu& vcpu) {
  VcpuContext context;
  if (vcpu.basic.size() != sizeof context)
    fail(Errc::bad_image, "the image is bad: the registers of vCPU {} have {} bytes instead of {}",
         vcpu.id, vcpu.basic.size(), sizeof context);
  std::memcpy(&context, vcpu.basic.data(), sizeof context);
  return context;
}

class ToFrames {
 public:
  ToFrames(const FrameMap& frames, uint32_t vcpu) : frames_(frames), vcpu_(vcpu) {}

  template <typename Fits>
  uint64_t mfn(uint64_t pfn, const char* what, Fits fits) const {
    mfn_t found;
    if (!frames_.mfn_of(pfn_t(pfn), found) || !fits(frames_.kind(pfn_t(pfn))))
      fail(Errc::bad_image, "the image is bad: the {} of vCPU {} is page {:#x}, which is {}", what,
           vcpu_, pfn, kind_name(frames_.kind(pfn_t(pfn))));
    return found.raw();
  }

  void convert(VcpuContext& context) const {
    auto plain = [](PageKind kind) { return kind == PageKind::data || kind == PageKind::zero; };
    auto root = [](PageKind kind) { return table_level(kind) == 4; };
    if (vcpu_ == 0) context.user_regs.rdx = mfn(context.user_regs.rdx, "start_info page", plain);
    if (context.gdt_ents > kMaxGdtEntries)
      fail(Errc::bad_image, "the image is bad: the GDT of vCPU {} has {} entries", vcpu_,
           static_cast<uint64_t>(context.gdt_ents));
    for (unsigned i = 0; i < gdt_frames(context.gdt_ents); ++i)
      context.gdt_frames[i] = mfn(context.gdt_frames[i], "GDT frame", plain);
    context.ctrlreg[3] = mfn(context.ctrlreg[3] >> kPageShift, "cr3", root) << kPageShift;
    context.ctrlreg[1] = context.ctrlreg[1] & kUserTableValid
                             ? mfn(context.ctrlreg[1] >> kPageShift, "user cr3", root) << kPageShift
                             : 0;
    context.flags |= VGCF_online;
  }

 private:
  const FrameMap& frames_;
  uint32_t vcpu_;
};

}  // namespace

pfn_t start_info_pfn(const GuestVcpu& vcpu0, const FrameMap& frames) {
  const pfn_t pfn(context_of(vcpu0).user_regs.rdx);
  if (frames.kind(pfn) != PageKind::data)
    fail(Errc::bad_image, "the image is bad: its start_info page {:#x} is {}", pfn.raw(),
         kind_name(frames.kind(pfn)));
  return pfn;
}

void set_vcpu(const Hypervisor& xen, const DomainInfo& domain, const GuestVcpu& vcpu,
              const FrameMap& frames) {
  if (vcpu.id > domain.max_vcpu_id)
    fail(Errc::bad_image, "the image has a vCPU {}, but the domain was created with {}", vcpu.id,
         domain.max_vcpu_id + 1);
  VcpuContext context = context_of(vcpu);
  ToFrames(frames, vcpu.id).convert(context);
  set_vcpu_context(xen, domain.domid, vcpu.id, context);
  set_vcpu_extended(xen, domain.domid, vcpu.id, vcpu.extended);
  set_vcpu_xsave(xen, domain.domid, vcpu.id, vcpu.xsave);
  set_vcpu_msrs(xen, domain.domid, vcpu.id, vcpu.msrs);
}

}  // namespace ferry
