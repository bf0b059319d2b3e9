// Comparison of guests.
#include "sim/builder/compare.h"

#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr size_t kMostSentences = 20;
constexpr uint64_t kInvalid = ~uint64_t{0};

class Differences {
 public:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (list_.size() < kMostSentences)
      list_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

// Pages whose content a restorer rewrites, checked by rules of their own.
bool rewritten(Role role) {
  return role == Role::p2m_leaf || role == Role::p2m_missing || role == Role::start_info;
}

void compare_bytes(Differences& out, uint64_t pfn, const PageView& a, const PageView& b) {
  if (a.bytes == b.bytes) return;
  size_t at = 0;
  while (a.bytes[at] == b.bytes[at]) ++at;
  if (a.type == PageType::none) {
    out.add("pfn {:#x}: content differs from byte {}", pfn, at);
    return;
  }
  uint64_t x = 0, y = 0;
  memcpy(&x, a.bytes.data() + at / 8 * 8, 8);
  memcpy(&y, b.bytes.data() + at / 8 * 8, 8);
  out.add("pfn {:#x}: entry {} of the L{} is {:#x} and {:#x}", pfn, at / 8, level_of(a.type), x, y);
}

void compare_pages(Differences& out, const ScratchGuest& built, const GuestView& a,
                   const GuestView& b) {
  for (const auto& [pfn, page] : a.pages) {
    const auto other = b.pages.find(pfn);
    if (other == b.pages.end()) {
      out.add("pfn {:#x} has no memory any more", pfn);
      continue;
    }
    if (page.type != other->second.type || page.pinned != other->second.pinned) {
      out.add("pfn {:#x}: type L{}{} became L{}{}", pfn, level_of(page.type),
              page.pinned ? " pinned" : "", level_of(other->second.type),
              other->second.pinned ? " pinned" : "");
      continue;
    }
    if (pfn < built.roles.size() && rewritten(built.roles[pfn])) continue;
    compare_bytes(out, pfn, page, other->second);
  }
  for (const auto& [pfn, page] : b.pages)
    if (!a.pages.count(pfn)) out.add("pfn {:#x} has memory that it had not before", pfn);
}

void compare_vcpus(Differences& out, const GuestView& a, const GuestView& b) {
  if (a.vcpus.size() != b.vcpus.size()) {
    out.add("{} vCPUs became {}", a.vcpus.size(), b.vcpus.size());
    return;
  }
  for (size_t id = 0; id < a.vcpus.size(); ++id) {
    const VcpuView &x = a.vcpus[id], &y = b.vcpus[id];
    if (x.online != y.online) out.add("vCPU {}: online {} became {}", id, x.online, y.online);
    if (!x.online) continue;
    const auto* p = reinterpret_cast<const uint8_t*>(&x.context);
    const auto* q = reinterpret_cast<const uint8_t*>(&y.context);
    for (size_t at = 0; at < sizeof x.context; ++at)
      if (p[at] != q[at]) {
        out.add("vCPU {}: its context differs from byte {:#x}", id, at);
        break;
      }
    if (memcmp(&x.ext.syscall32_callback_eip, &y.ext.syscall32_callback_eip,
               sizeof x.ext - offsetof(xen_domctl_ext_vcpucontext, syscall32_callback_eip)))
      out.add("vCPU {}: its extended context differs", id);
    if (x.xcr0 != y.xcr0 || x.xcr0_accum != y.xcr0_accum || x.xsave != y.xsave)
      out.add("vCPU {}: its XSAVE state differs", id);
    if (x.msrs != y.msrs) out.add("vCPU {}: its MSRs differ", id);
  }
}

uint64_t leaf_entry(const PageView& page, unsigned i) {
  uint64_t entry = 0;
  memcpy(&entry, page.bytes.data() + i * 8, 8);
  return entry;
}

void check_leaves(Differences& out, const ScratchGuest& built, const GuestView& source,
                  const GuestView& now, Host& host, DomainNumber domid, const RestoreRules& rules) {
  for (uint64_t leaf = 0; leaf < built.leaves.size(); ++leaf) {
    const auto before = source.pages.find(built.leaves[leaf]);
    const auto after = now.pages.find(built.leaves[leaf]);
    if (before == source.pages.end() || after == now.pages.end()) continue;
    for (unsigned i = 0; i < 512; ++i) {
      const uint64_t pfn = leaf * 512 + i;
      if (pfn >= built.p2m_entries) break;
      const uint64_t old = leaf_entry(before->second, i), entry = leaf_entry(after->second, i);
      const bool identity = old != kInvalid && old >> 62 == 1;
      if (now.pages.count(pfn)) {
        const bool good = host.valid(mfn_t(entry)) && host.frame(mfn_t(entry)).owner == domid &&
                          host.m2p(mfn_t(entry)) == pfn;
        if (!good) out.add("p2m of pfn {:#x} is {:#x}, which is not its frame", pfn, entry);
      } else if (entry != (identity && rules.keeps_identity_entries ? old : kInvalid)) {
        out.add("p2m of pfn {:#x}, which has no memory, went from {:#x} to {:#x}", pfn, old, entry);
      }
    }
  }
}

void check_start_info(Differences& out, const ScratchGuest& built, const GuestView& source,
                      const GuestView& now, Host& host, DomainNumber domid,
                      const RestoreRules& rules) {
  const auto page = now.pages.find(built.start_info);
  const auto source_page = source.pages.find(built.start_info);
  if (page == now.pages.end() || source_page == source.pages.end()) return;
  start_info_t old, start;
  memcpy(&old, source_page->second.bytes.data(), sizeof old);
  memcpy(&start, page->second.bytes.data(), sizeof start);
  const Domain* d = host.find_domain(domid);
  if (start.shared_info != d->shared_info_mfn << kPageShift)
    out.add("start_info names shared_info at {:#x}", start.shared_info);
  const uint64_t pages = rules.counts_pages_to_p2m_end ? built.p2m_entries : old.nr_pages;
  if (start.nr_pages != pages)
    out.add("start_info says {} pages instead of {}", start.nr_pages, pages);
  const uint32_t flags = rules.keeps_p2m_flag ? old.flags & SIF_VIRT_P2M_4TOOLS : 0;
  if (start.flags != flags)
    out.add("start_info has flags {:#x} instead of {:#x}", start.flags, flags);
  if (!host.valid(mfn_t(start.store_mfn)) || host.m2p(mfn_t(start.store_mfn)) != built.store_ring)
    out.add("start_info names the xenstore ring at mfn {:#x}", start.store_mfn);
  if (!host.valid(mfn_t(start.console.domU.mfn)) ||
      host.m2p(mfn_t(start.console.domU.mfn)) != built.console_ring)
    out.add("start_info names the console ring at mfn {:#x}", start.console.domU.mfn);
  if (memcmp(old.cmd_line, start.cmd_line, sizeof old.cmd_line) || old.pt_base != start.pt_base ||
      old.mfn_list != start.mfn_list || memcmp(old.magic, start.magic, sizeof old.magic))
    out.add("start_info has other values than before");
}

void check_shared_info(Differences& out, const GuestView& source, const GuestView& now, Host& host,
                       const ScratchGuest& built, const RestoreRules& rules) {
  const auto& old = *reinterpret_cast<const shared_info_t*>(source.shared_info.data());
  const auto& shared = *reinterpret_cast<const shared_info_t*>(now.shared_info.data());
  for (unsigned i = 0; i < 64; ++i) {
    if (shared.evtchn_mask[i] != ~0ul)
      out.add("event mask word {} is {:#x}", i, shared.evtchn_mask[i]);
    if (shared.evtchn_pending[i]) out.add("events of word {} are pending", i);
  }
  for (unsigned id = 0; id < XEN_LEGACY_MAX_VCPUS; ++id) {
    vcpu_info_t expected = old.vcpu_info[id];
    expected.evtchn_pending_sel = 0;
    if (memcmp(&expected, &shared.vcpu_info[id], sizeof expected))
      out.add("vcpu_info {} differs", id);
  }
  if (shared.arch.pfn_to_mfn_frame_list_list != 0) out.add("the frame list list is not reset");
  if (shared.arch.max_pfn != old.arch.max_pfn || shared.arch.p2m_vaddr != old.arch.p2m_vaddr)
    out.add("shared_info describes another p2m");
  const uint64_t cr3 = shared.arch.p2m_cr3;
  const mfn_t l4(cr3 >> kPageShift);
  const bool fixed = cr3 == 0 || (host.valid(l4) && host.m2p(l4) == built.kernel_l4);
  if (rules.fixes_p2m_cr3 ? !fixed : cr3 != old.arch.p2m_cr3)
    out.add("shared_info's p2m_cr3 is {:#x}", cr3);
}

}  // namespace

std::vector<std::string> compare_views(const ScratchGuest& built, const GuestView& a,
                                       const GuestView& b) {
  Differences out;
  compare_pages(out, built, a, b);
  compare_vcpus(out, a, b);
  if (a.tot_pages != b.tot_pages) out.add("{} pages became {}", a.tot_pages, b.tot_pages);
  if (a.tsc_mode != b.tsc_mode) out.add("TSC mode {} became {}", a.tsc_mode, b.tsc_mode);
  return out.take();
}

std::vector<std::string> compare_restored(const ScratchGuest& built, const GuestView& source,
                                          Host& host, DomainNumber restored,
                                          const RestoreRules& rules) {
  const GuestView now = view_guest(host, restored);
  Differences out;
  for (const std::string& sentence : compare_views(built, source, now)) out.add("{}", sentence);
  check_leaves(out, built, source, now, host, restored, rules);
  check_start_info(out, built, source, now, host, restored, rules);
  check_shared_info(out, source, now, host, built, rules);
  return out.take();
}

}  // namespace ferry::sim
