// Would Xen load each vCPU's state?
//
// In the image every frame number of struct vcpu_guest_context is a pfn:
//
//   at 616        user_regs.rdx   vCPU 0 only: pfn of start_info
//   4832 .. 4959  gdt_frames[16]  pfns; the first (gdt_ents + 511) / 512 are used
//   4960          gdt_ents
//   4992          ctrlreg[1]      0, or pfn of the user L4 << 12 | 1
//   5008          ctrlreg[3]      pfn of the L4 << 12
#include "audit/vcpus.h"

#include <algorithm>

#include "proto/pages.h"

namespace ferry::audit {

VcpuCheck::VcpuCheck(const v1::Head& head, PageMap& map, GuestFacts& facts, Findings& findings)
    : head_(head), map_(map), facts_(facts), findings_(findings) {
  expected_.assign(head.online_vcpus().begin(), head.online_vcpus().end());
  expected_.push_back(0);
  std::sort(expected_.begin(), expected_.end());
  expected_.erase(std::unique(expected_.begin(), expected_.end()), expected_.end());
  seen_.resize(expected_.size());
}

void VcpuCheck::add(const v1::Vcpu& vcpu, Place place) {
  place.vcpu = vcpu.id();
  check_identity(vcpu.id(), place);
  const auto context = bytes_of(vcpu.basic());
  if (context.size() != kVcpuContextBytes) {
    findings_.add(rule::context_size, place,
                  "The basic state of vCPU {} has {} bytes instead of {}.", vcpu.id(),
                  context.size(), kVcpuContextBytes);
    return;
  }
  check_bases(context, place);
  check_gdt(context, place);
  if (vcpu.id() == 0) find_start_info(context, place);
  check_extended(vcpu, place);
  check_xsave(vcpu, place);
  if (vcpu.msrs().size() % kMsrBytes != 0) {
    findings_.add(rule::vcpu_msrs, place, "The MSRs of vCPU {} have {} bytes.", vcpu.id(),
                  vcpu.msrs().size());
  }
}

void VcpuCheck::check_identity(uint32_t id, const Place& place) {
  auto found = std::lower_bound(expected_.begin(), expected_.end(), id);
  if (found == expected_.end() || *found != id || id > head_.max_vcpu_id()) {
    findings_.add(rule::vcpu_unexpected, place,
                  "There is a record of vCPU {}, which the head does not have online.", id);
    return;
  }
  const size_t i = static_cast<size_t>(found - expected_.begin());
  if (seen_[i]) {
    findings_.add(rule::vcpu_unexpected, place, "There is a second record of vCPU {}.", id);
  }
  seen_[i] = true;
}

bool VcpuCheck::is_l4(uint64_t pfn) const {
  return pfn < map_.size() && table_level(map_.kind(pfn)) == 4;
}

void VcpuCheck::check_bases(std::span<const std::byte> context, const Place& place) {
  const uint64_t base = load_u64(context, kVcpuCr3At), user = load_u64(context, kVcpuUserCr3At);
  if (base % kPageSize != 0 || !is_l4(base >> kPageShift)) {
    findings_.add(rule::cr3, place, "cr3 of vCPU {} is {:#x}; pfn {:#x} is {}.", *place.vcpu, base,
                  base >> kPageShift, describe(map_, base >> kPageShift));
  }
  if (user != 0 && (user % kPageSize != 1 || !is_l4(user >> kPageShift))) {
    findings_.add(rule::user_cr3, place,
                  "The user page-table base of vCPU {} is {:#x}; pfn {:#x} is {}.", *place.vcpu,
                  user, user >> kPageShift, describe(map_, user >> kPageShift));
  }
  if (user == 0 && (load_u64(context, kVcpuFlagsAt) & kVcpuInKernel) == 0) {
    findings_.add(rule::user_mode, place,
                  "vCPU {} was in user mode, but has no user page-table base.", *place.vcpu);
  }
}

void VcpuCheck::check_gdt(std::span<const std::byte> context, const Place& place) {
  const uint64_t entries = load_u64(context, kVcpuGdtEntriesAt);
  if (entries > kMaxGdtEntries) {
    findings_.add(rule::gdt_entries, place,
                  "The GDT of vCPU {} has {} entries, {} more than Xen allows.", *place.vcpu,
                  entries, entries - kMaxGdtEntries);
    return;
  }
  const uint64_t frames = (entries + kGdtEntriesPerPage - 1) / kGdtEntriesPerPage;
  for (uint64_t i = 0; i < frames; ++i) {
    const uint64_t pfn = load_u64(context, kVcpuGdtFramesAt + i * sizeof(uint64_t));
    if (pfn < map_.size() && (map_.kind(pfn) == v1::DATA || map_.kind(pfn) == v1::ZERO)) {
      map_.mark(pfn, PageMap::kGdtFrame);
      continue;
    }
    findings_.add(rule::gdt_frame, place,
                  "Frame {} of the GDT of vCPU {} is pfn {:#x}, which is {}.", i, *place.vcpu, pfn,
                  describe(map_, pfn));
  }
  for (uint64_t i = frames; i < kMaxGdtFrames; ++i) {
    const uint64_t frame = load_u64(context, kVcpuGdtFramesAt + i * sizeof(uint64_t));
    if (frame == 0) continue;
    findings_.add(rule::gdt_unused, place,
                  "Frame {} of the GDT of vCPU {} is {:#x}, but the GDT has {} entries.", i,
                  *place.vcpu, frame, entries);
  }
}

void VcpuCheck::find_start_info(std::span<const std::byte> context, const Place& place) {
  const uint64_t pfn = load_u64(context, kVcpuRdxAt);
  if (pfn >= map_.size() || map_.kind(pfn) != v1::DATA) {
    findings_.add(rule::start_info_page, place,
                  "vCPU 0's rdx names pfn {:#x} as start_info, which is {}.", pfn,
                  describe(map_, pfn));
    return;
  }
  facts_.start_info = pfn;
  if (head_.start_info_pfn() != pfn && head_.start_info_pfn() != 0) {
    findings_.add(rule::start_info_head, place,
                  "The head names pfn {:#x} as start_info, vCPU 0 names pfn {:#x}.",
                  head_.start_info_pfn(), pfn);
  }
}

void VcpuCheck::check_extended(const v1::Vcpu& vcpu, const Place& place) {
  const auto state = bytes_of(vcpu.extended());
  if (state.empty()) return;
  if (state.size() < kExtendedLeastBytes || state.size() > kExtendedMostBytes ||
      load_u32(state, kExtendedSizeAt) != state.size() ||
      load_u32(state, kExtendedVcpuAt) != vcpu.id()) {
    findings_.add(rule::extended, place,
                  "The extended state of vCPU {} has {} bytes and does not fit what it says "
                  "of itself.",
                  vcpu.id(), state.size());
  }
}

void VcpuCheck::check_xsave(const v1::Vcpu& vcpu, const Place& place) {
  const auto state = bytes_of(vcpu.xsave());
  if (state.empty()) return;
  auto refuse = [&](std::string_view what) {
    findings_.add(rule::xsave, place, "The XSAVE state of vCPU {} has {} bytes{}.", vcpu.id(),
                  state.size(), what);
  };
  if (state.size() < kXsaveHeaderBytes) return refuse(", too few for its masks");
  const uint64_t active = load_u64(state, 0), ever = load_u64(state, 8);
  if (state.size() == kXsaveHeaderBytes) return;  // Xen takes it as nothing
  if ((active & ~ever) != 0)
    return refuse(
        fmt::format("; xcr0 {:#x} has features that xcr0_accum {:#x} has not", active, ever));
  uint64_t need = kXsaveLegacyBytes;
  for (size_t i = 2; i < facts_.xsave.size(); ++i) {
    if ((ever >> i & 1) == 0) continue;
    const XsaveComponent& component = facts_.xsave[i];
    if (component.bytes == 0) {  // no policy that says: at least, not exactly, the legacy size
      if (state.size() < kXsaveHeaderBytes + kXsaveLegacyBytes)
        refuse(", too few for any features");
      return;
    }
    need = std::max(need, uint64_t{component.offset} + component.bytes);
  }
  if (state.size() - kXsaveHeaderBytes != need)
    refuse(fmt::format(", but the features {:#x} need {}", ever, kXsaveHeaderBytes + need));
}

void VcpuCheck::finish() {
  for (size_t i = 0; i < expected_.size(); ++i) {
    if (seen_[i]) continue;
    findings_.add(rule::vcpu_missing, {.vcpu = expected_[i]}, "There is no record of vCPU {}.",
                  expected_[i]);
  }
}

}  // namespace ferry::audit
