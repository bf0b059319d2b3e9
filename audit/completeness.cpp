// Is every page there, once, and where the index says?
#include "audit/completeness.h"

#include "proto/pages.h"

namespace ferry::audit {

void PopulatedCheck::add(const v1::Populated& record, const Place& place) {
  seen_ = true;
  if (broken_) return;
  auto refuse = [&](const std::string& sentence) {
    broken_ = true;
    findings_.add(rule::populated_runs, place, "{}", sentence);
  };
  if (record.runs_size() % 2 != 0) return refuse("The list of populated pfns ends within a run.");
  if (record.first_pfn() < next_ || record.first_pfn() > map_.size())
    return refuse(
        fmt::format("The list of populated pfns goes on at pfn {:#x}, which is out of "
                    "order or beyond the guest.",
                    record.first_pfn()));
  uint64_t at = record.first_pfn();
  for (int i = 0; i + 1 < record.runs_size(); i += 2) {
    const uint64_t gap = record.runs(i), count = record.runs(i + 1);
    if (gap > map_.size() - at || count > map_.size() - at - gap)
      return refuse(fmt::format(
          "A run of {} populated pfns lies {} pfns after pfn {:#x}, beyond the guest's {} pfns.",
          count, gap, at, map_.size()));
    check_run(at + gap, count, place);
    at += gap + count;
  }
  next_ = at;
}

void PopulatedCheck::check_run(uint64_t first, uint64_t count, const Place& place) {
  listed_ += count;
  if (head_.live()) return;
  for (uint64_t pfn = first; pfn < first + count; ++pfn) {
    if (map_.populated(pfn)) continue;
    Place here = place;
    here.pfn = pfn;
    findings_.add(rule::populated_runs, here,
                  "pfn {:#x} is listed as populated, but the image has no frame for it.", pfn);
  }
}

void PopulatedCheck::finish() {
  uint64_t populated = 0;
  for (uint64_t pfn = 0; pfn < map_.size(); ++pfn) populated += map_.populated(pfn);
  if (seen_ && !broken_ && !head_.live() && listed_ != populated) {
    findings_.add(rule::populated_runs, {},
                  "{} pfns are listed as populated, but {} pages have a frame.", listed_,
                  populated);
  }
  const uint64_t counted = head_.live() ? listed_ : populated;
  if (head_.live() && (!seen_ || broken_)) return;
  if (counted != head_.populated_pages()) {
    findings_.add(rule::populated_count, {}, "The head says that {} pages have a frame, but {} {}.",
                  head_.populated_pages(), counted, head_.live() ? "are listed" : "have one");
  }
}

void check_stale_frame_lists(const v1::Head& head, const PageMap& map, Findings& findings) {
  const auto& runs = head.stale_frame_lists();
  uint64_t at = 0;
  for (int i = 0; i < runs.size(); i += 2) {
    const uint64_t gap = runs[i], count = i + 1 < runs.size() ? runs[i + 1] : 0;
    if (count == 0 || gap > map.size() - at || count > map.size() - at - gap) {
      findings.add(rule::stale_frame_lists, {},
                   "The head's list of stale frame lists ends early or leaves the guest "
                   "after pfn {:#x}.",
                   at);
      return;
    }
    for (uint64_t pfn = at + gap; pfn < at + gap + count; ++pfn) {
      if (map.kind(pfn) == v1::DATA) continue;
      findings.add(rule::stale_frame_lists, {.pfn = pfn},
                   "pfn {:#x} is named as a stale frame list, but is {}.", pfn, describe(map, pfn));
    }
    at += gap + count;
  }
}

void check_completeness(const PageMap& map, Findings& findings) {
  for (uint64_t pfn = 0; pfn < map.size(); ++pfn) {
    const v1::PageKind indexed = map.kind(pfn), seen = map.seen_kind(pfn);
    if (indexed == kUnmentioned && seen == kUnmentioned) {
      findings.add(rule::page_missing, {.pfn = pfn}, "The image says nothing about pfn {:#x}.",
                   pfn);
    } else if (indexed != seen) {
      findings.add(rule::index_kind, {.pfn = pfn},
                   "The index calls pfn {:#x} {}, the records call it {}.", pfn, describe(indexed),
                   describe(seen));
    } else if (has_data(indexed) && !map.marked(pfn, PageMap::kNewestSeen)) {
      findings.add(rule::index_record, {.pfn = pfn, .offset = map.record_offset(pfn)},
                   "The index points at byte {} for pfn {:#x}, which is not the last "
                   "record that has it.",
                   map.record_offset(pfn), pfn);
    }
  }
}

}  // namespace ferry::audit
