// What the vCPUs' registers were.
//
//   struct cpu_user_regs: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi, 8 bytes each;
//   error code 4, vector 4; rip 8; cs 2, · 6; rflags 8; rsp 8; ss, es, ds, fs, gs: 2, · 6 each
#include "evidence/vcpus.h"

#include <algorithm>
#include <map>

#include "audit/layout.h"
#include "error/error.h"
#include "p2m/frames.h"

namespace ferry::evidence {
namespace {

constexpr size_t kRegsAt = audit::kVcpuRdxAt - size_t{12} * 8;
constexpr size_t kFlagsAt = audit::kVcpuRipAt + 16, kSsAt = audit::kVcpuRspAt + 8;

VcpuState state_of(uint32_t id, std::span<const std::byte> context) {
  VcpuState v{.id = id};
  const auto word = [&](size_t at) { return audit::load_u64(context, at); };
  const auto selector = [&](size_t at) { return static_cast<uint16_t>(word(at)); };
  uint64_t* const general[] = {&v.r15, &v.r14, &v.r13, &v.r12, &v.rbp, &v.rbx, &v.r11, &v.r10,
                               &v.r9,  &v.r8,  &v.rax, &v.rcx, &v.rdx, &v.rsi, &v.rdi};
  for (size_t i = 0; i < std::size(general); ++i) *general[i] = word(kRegsAt + i * 8);
  v.rip = word(audit::kVcpuRipAt);
  v.cs = selector(audit::kVcpuRipAt + 8);
  v.rflags = word(kFlagsAt);
  v.rsp = word(audit::kVcpuRspAt);
  uint16_t* const segments[] = {&v.ss, &v.es, &v.ds, &v.fs, &v.gs};
  for (size_t i = 0; i < std::size(segments); ++i) *segments[i] = selector(kSsAt + i * 8);
  v.in_kernel = (word(audit::kVcpuFlagsAt) & audit::kVcpuInKernel) != 0;
  v.fs_base = word(audit::kVcpuFsBaseAt);
  v.gs_base_kernel = word(audit::kVcpuGsBaseKernelAt);
  v.gs_base_user = word(audit::kVcpuGsBaseUserAt);
  v.cr3_pfn = word(audit::kVcpuCr3At) >> kPageShift;
  v.user_cr3_pfn = word(audit::kVcpuUserCr3At) >> kPageShift;
  return v;
}

}  // namespace

std::vector<VcpuState> read_vcpus(const ImageFile& image) {
  std::map<uint32_t, VcpuState> states;
  image.for_each_other([&](const RawRecord& raw) {
    if (raw.kind != v1::Record::kVcpuFieldNumber) return true;
    const v1::Record record = parse_record(raw);
    const v1::Vcpu& vcpu = record.vcpu();
    const auto context = audit::bytes_of(vcpu.basic());
    if (vcpu.id() < audit::kMaxVcpus && context.size() == audit::kVcpuContextBytes)
      states.try_emplace(vcpu.id(), state_of(vcpu.id(), context));
    return true;
  });
  std::vector<VcpuState> all;
  for (const auto& [id, state] : states) all.push_back(state);
  return all;
}

uint64_t kernel_root(const std::vector<VcpuState>& vcpus) {
  if (vcpus.empty())
    fail(Errc::bad_image, "the image has no vCPU, so its page tables are not known");
  return vcpus.front().cr3_pfn;
}

}  // namespace ferry::evidence
