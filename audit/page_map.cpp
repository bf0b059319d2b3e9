// What is known of each page.
#include "audit/page_map.h"

#include <algorithm>

#include "error/error.h"

namespace ferry::audit {

PageMap PageMap::load(const ImageFile& image) {
  PageMap map;
  const uint64_t pfns = image.head().nr_pfns();
  const uint64_t parts = pfns / kPartPfns + (pfns % kPartPfns != 0);
  if (image.parts() != parts)
    fail(Errc::bad_image, "the index has {} parts, but {} pfns need {}", image.parts(), pfns,
         parts);
  for (uint64_t i = 0; i < parts; ++i) {
    std::vector<PageEntry> entries = image.read_part(i);
    const size_t here = std::min(kPartPfns, pfns - i * kPartPfns);
    if (entries.size() < here)
      fail(Errc::bad_image, "part {} of the index has {} pfns instead of {}", i, entries.size(),
           here);
    auto part = std::make_unique<Part>(here);
    for (size_t j = 0; j < here; ++j) {
      const PageEntry& entry = entries[j];
      part->kind[j] = static_cast<uint8_t>(entry.mentioned ? entry.kind : kUnmentioned);
      part->offset[j] = entry.record_offset;
    }
    map.parts_.push_back(std::move(part));
  }
  map.size_ = pfns;
  return map;
}

void PageMap::see(uint64_t pfn, v1::PageKind kind, uint64_t offset) {
  Part& p = part(pfn);
  const size_t i = low(pfn);
  p.seen[i] = static_cast<uint8_t>(kind);
  if (offset == p.offset[i])
    mark(pfn, kNewestSeen);
  else
    p.marks[i].fetch_and(static_cast<uint8_t>(~kNewestSeen), std::memory_order_relaxed);
  if (kind != v1::ABSENT) mark(pfn, marked(pfn, kSent) ? kSentAgain : kSent);
}

std::string describe(v1::PageKind kind) {
  if (kind == kUnmentioned) return "not in the image";
  if (is_page_table(kind)) return fmt::format("an L{} table", table_level(kind));
  switch (kind) {
    case v1::DATA:
      return "a data page";
    case v1::ZERO:
      return "a zero page";
    case v1::P2M_LEAF:
      return "a p2m leaf";
    case v1::ABSENT:
      return "absent";
    default:
      return kind_name(kind);
  }
}

std::string describe(const PageMap& map, uint64_t pfn) {
  if (pfn >= map.size()) return fmt::format("beyond the guest's {} pfns", map.size());
  return describe(map.kind(pfn));
}

}  // namespace ferry::audit
