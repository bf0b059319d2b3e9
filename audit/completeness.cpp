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
  map_.runs_within(first, count, [&](uint64_t from, uint64_t n, v1::PageKind kind, auto...) {
    if (kind != v1::ABSENT && kind != kUnmentioned) return;
    findings_.add_each(rule::populated_runs, n, [&](uint64_t i) {
      Place here = place;
      here.pfn = from + i;
      findings_.add(rule::populated_runs, here,
                    "pfn {:#x} is listed as populated, but the image has no frame for it.",
                    from + i);
    });
  });
}

void PopulatedCheck::finish() {
  uint64_t populated = 0;
  map_.for_each_run([&](uint64_t, uint64_t count, v1::PageKind kind, auto...) {
    if (kind != v1::ABSENT && kind != kUnmentioned) populated += count;
  });
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
    map.runs_within(at + gap, count, [&](uint64_t first, uint64_t n, v1::PageKind kind, auto...) {
      if (kind == v1::DATA) return;
      findings.add_each(rule::stale_frame_lists, n, [&](uint64_t k) {
        findings.add(rule::stale_frame_lists, {.pfn = first + k},
                     "pfn {:#x} is named as a stale frame list, but is {}.", first + k,
                     describe(kind));
      });
    });
    at += gap + count;
  }
}

void check_completeness(const PageMap& map, Findings& findings) {
  map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind indexed, v1::PageKind seen,
                       uint8_t marks, uint64_t offset) {
    if (indexed == kUnmentioned && seen == kUnmentioned) {
      findings.add_each(rule::page_missing, count, [&](uint64_t i) {
        findings.add(rule::page_missing, {.pfn = first + i},
                     "The image says nothing about pfn {:#x}.", first + i);
      });
    } else if (indexed != seen) {
      findings.add_each(rule::index_kind, count, [&](uint64_t i) {
        findings.add(rule::index_kind, {.pfn = first + i},
                     "The index calls pfn {:#x} {}, the records call it {}.", first + i,
                     describe(indexed), describe(seen));
      });
    } else if (has_data(indexed) && (marks & PageMap::kNewestSeen) == 0) {
      findings.add_each(rule::index_record, count, [&](uint64_t i) {
        findings.add(rule::index_record, {.pfn = first + i, .offset = offset},
                     "The index points at byte {} for pfn {:#x}, which is not the last "
                     "record that has it.",
                     offset, first + i);
      });
    }
  });
}

}  // namespace ferry::audit
