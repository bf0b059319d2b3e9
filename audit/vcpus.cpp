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

#include "audit/vcpu_state.h"
#include "proto/pages.h"

namespace ferry::audit {

VcpuCheck::VcpuCheck(const v1::Head& head, PageMap& map, GuestFacts& facts, Findings& findings)
    : head_(head), map_(map), facts_(facts), findings_(findings) {
  // A guest that runs while it is saved brings others up, and takes some down.
  for (uint32_t id = 0; head.live() && id <= head.max_vcpu_id() && id < kMaxVcpus; ++id)
    expected_.push_back(id);
  if (!head.live()) expected_.assign(head.online_vcpus().begin(), head.online_vcpus().end());
  expected_.push_back(0);
  std::sort(expected_.begin(), expected_.end());
  expected_.erase(std::unique(expected_.begin(), expected_.end()), expected_.end());
  expected_.resize(std::min<size_t>(expected_.size(), kMaxVcpus));
  seen_.resize(expected_.size());
}

void VcpuCheck::add(const v1::Vcpu& vcpu, Place place) {
  place.vcpu = vcpu.id();
  const bool usable = check_identity(vcpu.id(), place);
  const auto context = bytes_of(vcpu.basic());
  if (context.size() != kVcpuContextBytes) {
    findings_.add(rule::context_size, place,
                  "The basic state of vCPU {} has {} bytes instead of {}.", vcpu.id(),
                  context.size(), kVcpuContextBytes);
    return;
  }
  VcpuRoots roots{.id = vcpu.id()};
  check_bases(context, place, roots);
  check_gdt(context, place, roots);
  if (vcpu.id() == 0) find_start_info(context, place);
  check_registers(context, place, findings_);
  if (check_ldt(context, place, findings_)) {
    roots.ldt_base = load_u64(context, kVcpuLdtBaseAt);
    roots.ldt_entries = load_u64(context, kVcpuLdtEntriesAt);
  }
  check_extended(vcpu, place, findings_);
  check_xsave(vcpu, place, facts_, findings_);
  check_msrs(vcpu, place, facts_.cpu, findings_);
  if (usable) facts_.vcpus.push_back(std::move(roots));
}

bool VcpuCheck::check_identity(uint32_t id, const Place& place) {
  auto found = std::lower_bound(expected_.begin(), expected_.end(), id);
  if (found == expected_.end() || *found != id || id > head_.max_vcpu_id() || id >= kMaxVcpus) {
    findings_.add(rule::vcpu_unexpected, place,
                  "There is a record of vCPU {}, which the head does not have online.", id);
    return false;
  }
  const size_t i = static_cast<size_t>(found - expected_.begin());
  if (seen_[i]) {
    findings_.add(rule::vcpu_unexpected, place, "There is a second record of vCPU {}.", id);
    return false;
  }
  seen_[i] = true;
  return true;
}

bool VcpuCheck::is_l4(uint64_t pfn) const {
  return pfn < map_.size() && table_level(map_.kind(pfn)) == 4;
}

void VcpuCheck::check_bases(std::span<const std::byte> context, const Place& place,
                            VcpuRoots& roots) {
  const uint64_t base = load_u64(context, kVcpuCr3At), user = load_u64(context, kVcpuUserCr3At);
  if (base % kPageSize != 0 || !is_l4(base >> kPageShift)) {
    findings_.add(rule::cr3, place, "cr3 of vCPU {} is {:#x}; pfn {:#x} is {}.", *place.vcpu, base,
                  base >> kPageShift, describe(map_, base >> kPageShift));
  } else {
    roots.cr3 = base >> kPageShift;
  }
  if (user != 0 && (user % kPageSize != 1 || !is_l4(user >> kPageShift))) {
    findings_.add(rule::user_cr3, place,
                  "The user page-table base of vCPU {} is {:#x}; pfn {:#x} is {}.", *place.vcpu,
                  user, user >> kPageShift, describe(map_, user >> kPageShift));
  } else if (user != 0) {
    roots.user_cr3 = user >> kPageShift;
  }
  if (user == 0 && (load_u64(context, kVcpuFlagsAt) & kVcpuInKernel) == 0) {
    findings_.add(rule::user_mode, place,
                  "vCPU {} was in user mode, but has no user page-table base.", *place.vcpu);
  }
}

void VcpuCheck::check_gdt(std::span<const std::byte> context, const Place& place,
                          VcpuRoots& roots) {
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
      roots.gdt.push_back(pfn);
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

void VcpuCheck::finish() {
  std::sort(facts_.vcpus.begin(), facts_.vcpus.end(),
            [](const VcpuRoots& a, const VcpuRoots& b) { return a.id < b.id; });
  for (size_t i = 0; i < expected_.size(); ++i) {
    if (seen_[i] || (head_.live() && expected_[i] != 0)) continue;
    findings_.add(rule::vcpu_missing, {.vcpu = expected_[i]}, "There is no record of vCPU {}.",
                  expected_[i]);
  }
}

}  // namespace ferry::audit
