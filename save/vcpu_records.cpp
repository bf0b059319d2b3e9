// A guest's vCPUs as records, every machine frame number in them turned into a pfn.
#include "save/vcpu_records.h"

#include <algorithm>
#include <cstring>

#include "xen/vcpu.h"

namespace ferry {
namespace {

// What a set bit 0 in ctrlreg[1] means: there is a user page table.
constexpr uint64_t kUserTableValid = 1;

// What a guest whose suspension was cancelled gets as the result of its hypercall, in rax.
constexpr uint64_t kCancelled = 1;

class ToPfns {
 public:
  ToPfns(const GuestView& guest, uint32_t vcpu) : guest_(guest), vcpu_(vcpu) {}

  uint64_t pfn(uint64_t mfn, std::string_view what) const {
    pfn_t found;
    if (!guest_.pfn_of(mfn_t(mfn), found))
      fail(Errc::guest,
           "vCPU {} cannot be saved: its {} is machine frame {:#x}, which is not the "
           "guest's",
           vcpu_, what, mfn);
    return found.raw();
  }

  // What vCPU 0 handed to the suspend hypercall.
  void convert_suspended(VcpuContext& context) const {
    if (vcpu_ != 0) return;
    context.user_regs.rdx = pfn(context.user_regs.rdx, "start_info page");
    // A resume that died half way has written that and done nothing else. In a new domain the
    // guest would believe that it never left, and go on with registrations that it has not.
    if (context.user_regs.rax == kCancelled) context.user_regs.rax = 0;
  }

  void convert(VcpuContext& context) const {
    if (context.gdt_ents > kMaxGdtEntries)
      fail(Errc::guest, "vCPU {} cannot be saved: its GDT has {} entries", vcpu_,
           static_cast<uint64_t>(context.gdt_ents));
    const unsigned frames = gdt_frames(context.gdt_ents);
    for (unsigned i = 0; i < std::size(context.gdt_frames); ++i)
      context.gdt_frames[i] = i < frames ? pfn(context.gdt_frames[i], "GDT frame") : 0;
    context.ctrlreg[3] = pfn(context.ctrlreg[3] >> kPageShift, "cr3") << kPageShift;
    if (context.ctrlreg[1] != 0)
      context.ctrlreg[1] =
          pfn(context.ctrlreg[1] >> kPageShift, "user cr3") << kPageShift | kUserTableValid;
  }

 private:
  const GuestView& guest_;
  uint32_t vcpu_;
};

void assign(std::string* field, const void* data, size_t bytes) {
  field->assign(static_cast<const char*>(data), bytes);
}

v1::Vcpu read_vcpu(const Hypervisor& xen, domid_t domid, const GuestView& guest, uint32_t id,
                   bool suspended) {
  VcpuContext context = get_vcpu_context(xen, domid, id);
  const ToPfns to_pfns(guest, id);
  if (suspended) to_pfns.convert_suspended(context);
  to_pfns.convert(context);
  const auto extended = get_vcpu_extended(xen, domid, id);
  const auto xsave = get_vcpu_xsave(xen, domid, id);
  const auto msrs = get_vcpu_msrs(xen, domid, id);
  v1::Vcpu vcpu;
  vcpu.set_id(id);
  assign(vcpu.mutable_basic(), &context, sizeof context);
  assign(vcpu.mutable_extended(), extended.data(), extended.size());
  assign(vcpu.mutable_xsave(), xsave.data(), xsave.size());
  assign(vcpu.mutable_msrs(), msrs.data(), msrs.size());
  return vcpu;
}

std::vector<v1::Vcpu> read_online(const Hypervisor& xen, const DomainInfo& domain,
                                  const GuestView& guest, bool suspended) {
  std::vector<v1::Vcpu> vcpus;
  for (uint32_t id = 0; id <= domain.max_vcpu_id; ++id)
    if (vcpu_online(xen, domain.domid, id))
      vcpus.push_back(read_vcpu(xen, domain.domid, guest, id, suspended));
  return vcpus;
}

}  // namespace

std::vector<v1::Vcpu> read_vcpus(const Hypervisor& xen, const DomainInfo& domain,
                                 const GuestView& guest) {
  std::vector<v1::Vcpu> vcpus = read_online(xen, domain, guest, true);
  if (vcpus.empty() || vcpus.front().id() != 0)
    fail(Errc::guest, "the guest cannot be saved: its vCPU 0 is offline");
  return vcpus;
}

std::vector<v1::Vcpu> read_vcpus_as_they_are(const Hypervisor& xen, const DomainInfo& domain,
                                             const GuestView& guest) {
  return read_online(xen, domain, guest, false);
}

pfn_t start_info_of(const v1::Vcpu& vcpu0) {
  VcpuContext context;
  std::memcpy(&context, vcpu0.basic().data(), sizeof context);
  return pfn_t(context.user_regs.rdx);
}

}  // namespace ferry
