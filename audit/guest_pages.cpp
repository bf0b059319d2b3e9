// The two pages that guest and toolstack share: shared_info and start_info.
//
//   shared_info   3088 max_pfn   3096 frame_list_list: 0   3112 p2m_cr3: root pfn << 12, or 0
//                 3120 p2m_vaddr
//   start_info      40 shared_info: 0
//                   56 store_mfn: a pfn       72 console mfn: a pfn
#include "audit/guest_pages.h"

#include <array>

namespace ferry::audit {

void check_shared_info(const v1::SharedInfo& record, const v1::Head& head, const Place& place,
                       Findings& findings) {
  const auto page = bytes_of(record.page());
  if (page.size() != kSharedInfoBytes) {
    findings.add(rule::shared_info_size, place, "shared_info has {} bytes instead of {}.",
                 page.size(), kSharedInfoBytes);
    return;
  }
  const uint64_t p2m_cr3 = load_u64(page, kSharedP2mCr3At);
  const uint64_t vaddr = load_u64(page, kSharedP2mVaddrAt);
  const uint64_t wanted = head.linear_p2m() ? head.p2m_root_pfn() << kPageShift : 0;
  if (p2m_cr3 != wanted || (head.linear_p2m() && vaddr != head.p2m_vaddr())) {
    findings.add(rule::shared_info_p2m, place,
                 "shared_info has p2m_cr3 {:#x} and p2m_vaddr {:#x}, the head {:#x} and "
                 "{:#x}.",
                 p2m_cr3, vaddr, wanted, head.p2m_vaddr());
  }
  if (const uint64_t lists = load_u64(page, kSharedFrameListListAt); lists != 0) {
    findings.add(rule::shared_info_frame_lists, place,
                 "shared_info has {:#x} for its frame list list.", lists);
  }
  if (const uint64_t max_pfn = load_u64(page, kSharedMaxPfnAt); max_pfn < head.nr_pfns()) {
    findings.add(rule::shared_info_max_pfn, place,
                 "shared_info has max_pfn {}, but the image has {} pfns.", max_pfn, head.nr_pfns());
  }
}

void check_start_info(PageReader& reader, const PageMap& map, const GuestFacts& facts,
                      Findings& findings) {
  if (!facts.start_info) return;
  std::array<std::byte, kPageSize> page{};
  if (!reader.read(*facts.start_info, page)) return;
  auto check = [&](const Rule& rule, size_t at, const char* what) {
    const uint64_t pfn = load_u64(page, at);
    if (pfn < map.size() && (map.kind(pfn) == v1::DATA || map.kind(pfn) == v1::ZERO)) return;
    findings.add(rule, {.pfn = facts.start_info}, "start_info names pfn {:#x} as {}, which is {}.",
                 pfn, what, describe(map, pfn));
  };
  if (const uint64_t address = load_u64(page, kStartSharedInfoAt); address != 0) {
    findings.add(rule::start_info_shared_info, {.pfn = facts.start_info},
                 "start_info has {:#x} for the machine address of shared_info.", address);
  }
  check(rule::start_info_store, kStartStorePfnAt, "the xenstore page");
  check(rule::start_info_console, kStartConsolePfnAt, "the console page");
}

}  // namespace ferry::audit
