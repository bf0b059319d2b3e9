// The index: for each pfn, which Pages record holds its last version.
//
//   IndexPart i   record_offsets   | o0, o1 - o0, o2 - o1, … |          Pages records it speaks of
//                 runs             | gap, count, kind, which | … |      which: 0 is o0, 1 is o1, …
#include "proto/index.h"

#include <algorithm>

#include "error/error.h"

namespace ferry {
namespace {

constexpr unsigned kPoint = 16;  // bits behind the point of bytes_per_page

}  // namespace

IndexBuilder::IndexBuilder(uint64_t nr_pfns) : last_(nr_pfns) {
  if (nr_pfns > kMaxPfns)
    fail(Errc::unsupported, "a guest with {} pfns is larger than the {} an image can hold", nr_pfns,
         kMaxPfns);
}

void IndexBuilder::add(uint64_t offset, uint64_t bytes, std::span<const PageRun> runs) {
  const auto ordinal = static_cast<uint32_t>(records_.size());
  uint64_t with_data = 0;
  for (const PageRun& run : runs) {
    const uint64_t first = run.first.raw();
    if (first > last_.size() || run.count > last_.size() - first)
      fail(Errc::internal, "pfns {} to {} are beyond the guest's {} pfns", first,
           first + run.count - 1, last_.size());
    const bool data = has_data(run.kind);
    if (data) with_data += run.count;
    // What has no data lies in no record: all of it is alike.
    last_.fill(first, run.count, {data ? ordinal : 0, static_cast<uint8_t>(run.kind)});
  }
  records_.push_back({offset, with_data == 0 ? 0 : (bytes << kPoint) / with_data});
  pages_bytes_ += bytes;
}

std::vector<IndexBuilder::Run> IndexBuilder::runs_of(uint64_t part) const {
  std::vector<Run> runs;
  last_.runs_within(part * kPfnsPerIndexPart, kPfnsPerIndexPart,
                    [&](uint64_t first, uint64_t count, const Last& last) {
                      if (last.kind == kUnmentioned) return;
                      if (!runs.empty() && runs.back().last == last &&
                          runs.back().first + runs.back().count == first)
                        runs.back().count += count;
                      else
                        runs.push_back({first, count, last});
                    });
  return runs;
}

v1::IndexPart IndexBuilder::part(uint64_t i) const {
  std::vector<IndexRun> runs;
  for (const Run& run : runs_of(i)) {
    const auto kind = static_cast<v1::PageKind>(run.last.kind);
    runs.push_back(
        {run.first, run.count, kind, has_data(kind) ? records_[run.last.record].offset : 0});
  }
  return index_part_of(i, runs);
}

void IndexBuilder::summarise(v1::IndexRoot& root) const {
  struct Sum {
    uint64_t pages = 0;
    uint64_t bytes = 0;
  };
  std::array<Sum, v1::PageKind_ARRAYSIZE> sums;
  last_.for_each_run([&](uint64_t, uint64_t count, const Last& last) {
    if (last.kind == kUnmentioned) return;
    Sum& sum = sums[last.kind];
    sum.pages += count;
    if (has_data(static_cast<v1::PageKind>(last.kind)))
      sum.bytes += count * records_[last.record].bytes_per_page;
  });
  for (size_t kind = 0; kind < sums.size(); ++kind) {
    if (sums[kind].pages == 0) continue;
    root.add_kind_pages(kind);
    root.add_kind_pages(sums[kind].pages);
    root.add_kind_pages(sums[kind].bytes >> kPoint);
  }
  root.set_pages_records(records_.size());
  root.set_pages_bytes(pages_bytes_);
}

v1::IndexPart index_part_of(uint64_t i, std::span<const IndexRun> runs) {
  v1::IndexPart message;
  message.set_first_pfn(i * kPfnsPerIndexPart);
  std::vector<uint64_t> used;
  for (const IndexRun& run : runs)
    if (has_data(run.kind) && (used.empty() || used.back() != run.record_offset))
      used.push_back(run.record_offset);
  std::ranges::sort(used);
  used.erase(std::unique(used.begin(), used.end()), used.end());
  uint64_t before = 0;
  for (const uint64_t offset : used) {
    message.add_record_offsets(offset - before);
    before = offset;
  }
  uint64_t end_of_last = i * kPfnsPerIndexPart;
  for (const IndexRun& run : runs) {
    message.add_runs(run.first - end_of_last);
    message.add_runs(run.count);
    message.add_runs(run.kind);
    const auto which = std::ranges::lower_bound(used, run.record_offset);
    message.add_runs(has_data(run.kind) ? static_cast<uint64_t>(which - used.begin()) : 0);
    end_of_last = run.first + run.count;
  }
  return message;
}

std::vector<IndexRun> read_index_part(const v1::IndexPart& part, uint64_t i, uint64_t nr_pfns,
                                      uint64_t end_of_data, const std::string& place) {
  const auto refuse = [&](const char* what) {
    fail(Errc::bad_image, "{}, part {} of the index, {}", place, i, what);
  };
  const uint64_t first = i * kPfnsPerIndexPart;
  if (part.first_pfn() != first) refuse("says that it is another part");
  std::vector<uint64_t> offsets;
  uint64_t offset = 0;
  for (const uint64_t distance : part.record_offsets()) {
    if (distance == 0 || distance >= end_of_data - offset)
      refuse("names a place where no pages can be");
    offset += distance;
    offsets.push_back(offset);
  }

  const uint64_t pfns = std::min(kPfnsPerIndexPart, nr_pfns - first);
  if (part.runs_size() % 4 != 0) refuse("ends within a run");
  std::vector<IndexRun> runs;
  runs.reserve(static_cast<size_t>(part.runs_size()) / 4);
  uint64_t at = 0;
  for (int n = 0; n < part.runs_size(); n += 4) {
    const uint64_t gap = part.runs(n), count = part.runs(n + 1), kind = part.runs(n + 2),
                   which = part.runs(n + 3);
    if (gap > pfns - at || count > pfns - at - gap) refuse("speaks of pfns beyond its end");
    if (kind > v1::PageKind_MAX || !v1::PageKind_IsValid(static_cast<int>(kind)))
      refuse("has a page kind that this ferry does not know");
    const auto page_kind = static_cast<v1::PageKind>(kind);
    const bool data = has_data(page_kind);
    if (count == 0 || (data ? which >= offsets.size() : which != 0)) refuse("has a malformed run");
    runs.push_back({first + at + gap, count, page_kind, data ? offsets[which] : 0});
    at += gap + count;
  }
  return runs;
}

}  // namespace ferry
