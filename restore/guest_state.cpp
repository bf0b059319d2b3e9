// What a restore keeps back until the image is known to be whole.
#include "restore/guest_state.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "restore/start_info.h"
#include "restore/vcpu_contexts.h"
#include "xen/foreign_mapping.h"
#include "xen/grant_table.h"
#include "xen/pin.h"
#include "xen/tsc.h"
#include "xen/xen_abi.h"

namespace ferry {
namespace {

void set_shared_info(const Hypervisor& xen, const DomainInfo& domain, const GuestHead& head,
                     std::span<const std::byte> page, const FrameMap& frames) {
  shared_info_x86_64_t saved;
  static_assert(sizeof saved <= kPageSize);
  std::memcpy(&saved, page.data(), sizeof saved);
  ForeignMapping mapping(xen, domain.domid, PROT_READ | PROT_WRITE, {&domain.shared_info, 1},
                         "shared_info of the new guest");
  auto* fresh = mapping.as<shared_info_x86_64_t>();
  std::memcpy(&fresh->vcpu_info, &saved.vcpu_info, sizeof fresh->vcpu_info);
  std::memcpy(&fresh->arch, &saved.arch, sizeof fresh->arch);
  for (auto& vcpu : fresh->vcpu_info) vcpu.evtchn_pending_sel = 0;
  // Event channels are the new host's: none is pending, all are masked until the guest binds them.
  std::memset(&fresh->evtchn_pending, 0, sizeof fresh->evtchn_pending);
  std::memset(&fresh->evtchn_mask, 0xff, sizeof fresh->evtchn_mask);
  // The guest rebuilds its frame lists. Its linear p2m is right already, down to the root.
  fresh->arch.pfn_to_mfn_frame_list_list = 0;
  mfn_t root;
  fresh->arch.p2m_cr3 = 0;
  if (!head.linear_p2m) return;
  // A guest that was saved live may have moved it since the head was written.
  const pfn_t root_pfn(head.live ? saved.arch.p2m_cr3 >> kPageShift : head.p2m_root_pfn);
  if (!frames.mfn_of(root_pfn, root))
    fail(Errc::bad_image, "the image is bad: the root of its p2m, page {:#x}, has no frame",
         root_pfn.raw());
  fresh->arch.p2m_cr3 = static_cast<uint64_t>(maddr_of(root));
}

void pin_all(const Hypervisor& xen, domid_t domid, const FrameMap& frames) {
  std::vector<Pin> pins;
  std::vector<pfn_t> pfns;
  frames.for_each_frame([&](pfn_t pfn, mfn_t mfn, PageKind kind) {
    if (!is_pinned(kind)) return;
    pins.push_back({mfn, table_level(kind)});
    pfns.push_back(pfn);
  });
  const auto refused = pin_tables(xen, domid, pins);
  if (!refused) return;
  const std::string table = fmt::format("page table {:#x} (L{}) of the guest",
                                        pfns[refused->index].raw(), pins[refused->index].level);
  // EINVAL is Xen's verdict on the table; anything else says nothing about the image.
  if (refused->os_errno == EINVAL) fail(Errc::bad_image, "Xen refused to pin {}", table);
  fail_xen("pin " + table, refused->os_errno);
}

[[noreturn]] void fail_repeated(uint64_t record) {
  fail(Errc::bad_image, "the image is bad: record {} repeats what an earlier one says", record);
}

}  // namespace

void GuestState::take_tsc(uint64_t record, const GuestTsc& tsc) {
  if (tsc_) fail_repeated(record);
  tsc_ = tsc;
}

void GuestState::take_shared_info(uint64_t record, std::span<const std::byte> page) {
  if (shared_info_) fail_repeated(record);
  check_shared_info_size(page);
  shared_info_.emplace(page.begin(), page.end());
}

void GuestState::take_vcpu(uint64_t record, GuestVcpu vcpu, const GuestHead& head) {
  // Not only those that the head has online: a guest that runs may bring up another one meanwhile.
  if (vcpu.id > head.max_vcpu_id)
    fail(Errc::bad_image,
         "the image is bad: record {} is of vCPU {}, and its head has ids up to {}", record,
         vcpu.id, head.max_vcpu_id);
  check_vcpu_size(vcpu);
  state_bytes_ += vcpu.bytes();
  if (state_bytes_ > kMostStateBytes)
    fail(Errc::bad_image,
         "the image is bad: vCPU {} has {} bytes of state, too much with those before it", vcpu.id,
         vcpu.bytes());
  const uint32_t id = vcpu.id;
  if (!vcpus_.emplace(id, std::move(vcpu)).second) fail_repeated(record);
}

RestoreResult GuestState::apply(const Hypervisor& xen, const RestoreTarget& target,
                                const GuestHead& head, const FrameMap& frames) const {
  if (!tsc_ || !shared_info_ || !vcpus_.contains(0))
    fail(Errc::bad_image, "the image is bad: it lacks the guest's {}",
         !tsc_           ? "TSC settings"
         : !shared_info_ ? "shared_info"
                         : "vCPU 0");
  const DomainInfo domain = get_domain(xen, target.domid);
  set_tsc(xen, target.domid, {tsc_->mode, tsc_->nsec, tsc_->khz, tsc_->incarnation});
  set_shared_info(xen, domain, head, *shared_info_, frames);
  const pfn_t start_info = start_info_pfn(vcpus_.at(0), frames);
  RestoreResult result = fix_start_info(xen, target, domain, frames, start_info);
  for (const auto& [id, vcpu] : vcpus_) set_vcpu(xen, domain, vcpu, frames);
  pin_all(xen, target.domid, frames);
  seed_grant_table(
      xen, target.domid,
      {result.console_mfn, result.store_mfn, target.console_domid, target.store_domid});
  frames.for_each_frame([&](pfn_t, mfn_t, PageKind) { result.guest_bytes += kPageSize; });
  return result;
}

}  // namespace ferry
