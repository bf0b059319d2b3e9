// What is known of each page.
#include "audit/page_map.h"

#include "error/error.h"
#include "proto/pages.h"

namespace ferry::audit {

PageMap PageMap::load(const ImageFile& image) {
  const uint64_t pfns = image.head().nr_pfns();
  PageMap map(pfns);
  const uint64_t parts = pfns / kPfnsPerIndexPart + (pfns % kPfnsPerIndexPart != 0);
  if (image.parts() != parts)
    fail(Errc::bad_image, "the index has {} parts, but {} pfns need {}", image.parts(), pfns,
         parts);
  for (uint64_t i = 0; i < parts; ++i) {
    for (const IndexRun& run : image.read_part_runs(i)) {
      Page page{.offset_low = static_cast<uint32_t>(run.record_offset),
                .offset_high = static_cast<uint16_t>(run.record_offset >> 32),
                .kind = static_cast<uint8_t>(run.kind)};
      if (page.offset() != run.record_offset)
        fail(Errc::unsupported, "the image has pages at byte {}, which is too far for this ferry",
             run.record_offset);
      map.pages_.fill(run.first, run.count, page);
    }
  }
  return map;
}

void PageMap::see(Page& page, v1::PageKind kind, uint64_t offset) {
  page.seen = static_cast<uint8_t>(kind);
  uint8_t marks = 0;
  if (offset == page.offset())
    marks = kNewestSeen;
  else
    std::atomic_ref(page.marks)
        .fetch_and(static_cast<uint8_t>(~kNewestSeen), std::memory_order_relaxed);
  if (kind != v1::ABSENT) marks |= (marks_of(page) & kSent) != 0 ? kSentAgain : kSent;
  if (marks != 0) set_marks(page, marks);
}

void PageMap::see(uint64_t first, uint64_t count, v1::PageKind kind, uint64_t offset) {
  pages_.update(
      first, count, [&](Page& page) { see(page, kind, offset); },
      [&](uint64_t from, uint64_t n) { unindexed_.fill(from, n, static_cast<uint8_t>(kind)); });
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
