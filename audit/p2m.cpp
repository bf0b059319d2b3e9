// Is the guest's p2m one leaf for each 512 pfns, and each entry the right one?
//
// An entry of a leaf page in the image:
//
//   pfn             the page itself: entry j of leaf i is pfn 512 * i + j
//   ~0              invalid: the guest has no frame here
//   bit 62 | …      identity: the machine frame of the same number
//   bit 63          foreign: was mapped from another domain; the frame is not in the image
#include "audit/p2m.h"

#include <algorithm>

#include "proto/pages.h"

namespace ferry::audit {
namespace {

constexpr uint64_t kInvalid = ~uint64_t{0};
constexpr uint64_t kForeign = uint64_t{1} << 63;
constexpr uint64_t kIdentity = uint64_t{1} << 62;

uint64_t leaves_for(uint64_t pfns) {
  return pfns / kEntriesPerTable + (pfns % kEntriesPerTable != 0);
}

void check_leaf_entry(PageMap& map, const Place& place, uint64_t pfn, uint64_t entry,
                      Findings& findings) {
  if (entry == kInvalid) return;
  if ((entry & kForeign) != 0) {
    if (entry == kForeign) return;
    findings.add(rule::p2m_foreign, place,
                 "The p2m entry of pfn {:#x} is foreign and still names a frame ({:#x}).", pfn,
                 entry & ~kForeign);
    return;
  }
  if ((entry & kIdentity) != 0) return;
  if (pfn < map.size()) map.mark(pfn, PageMap::kInP2m);
  if (entry != pfn || pfn >= map.size()) {
    findings.add(rule::p2m_entry, place, "The p2m entry of pfn {:#x} names pfn {:#x}, which is {}.",
                 pfn, entry, describe(map, entry));
  } else if (!map.populated(pfn)) {
    findings.add(rule::p2m_absent, place, "The p2m names pfn {:#x}, which is {}.", pfn,
                 describe(map, pfn));
  }
}

}  // namespace

LeafListCheck::LeafListCheck(PageMap& map, GuestFacts& facts, Findings& findings, bool live)
    : map_(map), facts_(facts), findings_(findings), live_(live) {
  facts_.leaves = PfnMap<uint64_t>(leaves_for(map.size()), kNoPfn);
}

void LeafListCheck::add(const v1::P2mFrames& record, const Place& place) {
  facts_.has_p2m_frames = true;
  const uint64_t first = record.first_leaf(), all = facts_.leaves.size();
  uint64_t count = static_cast<uint64_t>(record.leaf_pfns_size());
  const uint64_t room = first > all ? 0 : all - first;
  if (count > room) {
    findings_.add(rule::leaf_list, place,
                  "The list has {} leaves from leaf {} on, but the guest's {} pfns need {} in all.",
                  count, first, map_.size(), all);
    count = room;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t& leaf = facts_.leaves.change(first + i);
    if (leaf != kNoPfn && !live_) {
      findings_.add(rule::leaf_list, place, "p2m leaf {} is listed twice.", first + i);
    }
    leaf = record.leaf_pfns(static_cast<int>(i));
  }
}

void LeafListCheck::finish_leaf(uint64_t leaf, uint64_t pfn) {
  if (pfn < map_.size()) map_.mark(pfn, PageMap::kLeafFrame);
  if (pfn < map_.size() && map_.kind(pfn) == v1::P2M_LEAF) {
    facts_.leaf_uses.push_back({pfn, leaf});
    return;
  }
  findings_.add(rule::leaf_kind, {.pfn = pfn}, "p2m leaf {} is pfn {:#x}, which is {}.", leaf, pfn,
                describe(map_, pfn));
  unusable_.push_back(leaf);
}

void LeafListCheck::finish() {
  if (!facts_.has_p2m_frames) return;
  facts_.leaves.for_each_run([&](uint64_t first, uint64_t count, uint64_t pfn) {
    if (pfn == kNoPfn) {
      findings_.add_each(rule::leaf_list, count, [&](uint64_t i) {
        findings_.add(rule::leaf_list, {}, "There is no p2m leaf {}.", first + i);
      });
    } else {
      finish_leaf(first, pfn);  // what is listed comes alone
    }
  });
  for (const uint64_t leaf : unusable_) facts_.leaves.change(leaf) = kNoPfn;
  std::sort(facts_.leaf_uses.begin(), facts_.leaf_uses.end(),
            [](const LeafUse& a, const LeafUse& b) {
              return a.pfn != b.pfn ? a.pfn < b.pfn : a.leaf < b.leaf;
            });
}

void check_p2m_root(const v1::Head& head, const PageMap& map, Findings& findings) {
  const uint64_t root = head.p2m_root_pfn();
  const bool good = root < map.size() && (head.linear_p2m() ? table_level(map.kind(root)) == 4
                                                            : map.kind(root) == v1::DATA);
  if (good) return;
  findings.add(rule::p2m_root, {.pfn = root}, "The root of the {} p2m is pfn {:#x}, which is {}.",
               head.linear_p2m() ? "linear" : "tree", root, describe(map, root));
}

void check_leaf_page(PageMap& map, const GuestFacts& facts, const Place& place,
                     std::span<const std::byte, kPageSize> page, Findings& findings) {
  auto use = std::lower_bound(facts.leaf_uses.begin(), facts.leaf_uses.end(), *place.pfn,
                              [](const LeafUse& u, uint64_t pfn) { return u.pfn < pfn; });
  for (; use != facts.leaf_uses.end() && use->pfn == *place.pfn; ++use) {
    for (unsigned j = 0; j < kEntriesPerTable; ++j) {
      Place entry = place;
      entry.index = j;
      check_leaf_entry(map, entry, use->leaf * kEntriesPerTable + j,
                       load_u64(page, j * sizeof(uint64_t)), findings);
    }
  }
}

void check_loose_leaf(const PageMap& map, const Place& place,
                      std::span<const std::byte, kPageSize> page, bool replaced,
                      Findings& findings) {
  Place here = place;
  for (unsigned j = 0; j < kEntriesPerTable; ++j) {
    const uint64_t entry = load_u64(page, j * sizeof(uint64_t));
    here.index = j;
    if (entry == kInvalid) continue;
    if ((entry & kForeign) != 0) {
      if (entry == kForeign) continue;
      findings.add(rule::p2m_foreign, here,
                   "Entry {} of pfn {:#x} is foreign and still names a frame ({:#x}).", j,
                   *place.pfn, entry & ~kForeign);
    } else if ((entry & kIdentity) == 0) {
      if (entry < map.size() && (replaced || map.populated(entry))) continue;
      findings.add(rule::p2m_entry, here,
                   "Entry {} of pfn {:#x}, in p2m form, names pfn {:#x}, which is {}.", j,
                   *place.pfn, entry, describe(map, entry));
    }
  }
}

void check_p2m_complete(const PageMap& map, const GuestFacts& facts, Findings& findings) {
  if (!facts.has_p2m_frames) return;
  const auto judge = [&](uint64_t pfn, v1::PageKind kind, uint8_t marks) {
    if (kind == v1::P2M_LEAF && (marks & PageMap::kLeafFrame) == 0) {
      findings.add(rule::stray_leaf, {.pfn = pfn},
                   "pfn {:#x} is stored as a p2m leaf, but the list does not have it.", pfn);
    }
    const bool judged = facts.leaves.get(pfn / kEntriesPerTable) != kNoPfn;
    if (judged && (marks & PageMap::kInP2m) == 0) {
      findings.add(rule::p2m_unlisted, {.pfn = pfn},
                   "pfn {:#x} is {}, but its p2m entry does not name it.", pfn, describe(kind));
    }
  };
  map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind kind, v1::PageKind,
                       uint8_t marks, uint64_t) {
    if (kind == v1::ABSENT || kind == kUnmentioned) return;
    for (uint64_t pfn = first; pfn < first + count; ++pfn) judge(pfn, kind, marks);
  });
}

}  // namespace ferry::audit
