// The index: for each pfn, which Pages record holds its last version.
//
//   IndexPart i   record_offsets   | o0, o1 - o0, o2 - o1, … |          Pages records it speaks of
//                 runs             | gap, count, kind, which | … |      which: 0 is o0, 1 is o1, …
#include "proto/index.h"

#include <algorithm>

#include "error/error.h"

namespace ferry {
namespace {

constexpr uint8_t kUnmentioned = 0xff;
constexpr unsigned kPoint = 16;  // bits behind the point of bytes_per_page

}  // namespace

IndexBuilder::IndexBuilder(uint64_t nr_pfns) : nr_pfns_(nr_pfns) {
  if (nr_pfns > kMaxPfns)
    fail(Errc::unsupported, "a guest with {} pfns is larger than the {} an image can hold", nr_pfns,
         kMaxPfns);
  pieces_.resize(index_parts(nr_pfns));
}

IndexBuilder::Piece& IndexBuilder::piece_of(uint64_t pfn) {
  auto& piece = pieces_[pfn / kPfnsPerIndexPart];
  if (!piece) {
    piece = std::make_unique_for_overwrite<Piece>();
    piece->kind.fill(kUnmentioned);
  }
  return *piece;
}

void IndexBuilder::add(uint64_t offset, uint64_t bytes, std::span<const PageRun> runs) {
  const auto ordinal = static_cast<uint32_t>(records_.size());
  uint64_t with_data = 0;
  for (const PageRun& run : runs) {
    const uint64_t first = run.first.raw();
    if (first > nr_pfns_ || run.count > nr_pfns_ - first)
      fail(Errc::internal, "pfns {} to {} are beyond the guest's {} pfns", first,
           first + run.count - 1, nr_pfns_);
    if (has_data(run.kind)) with_data += run.count;
    for (uint64_t done = 0; done < run.count;) {
      const uint64_t at = (first + done) % kPfnsPerIndexPart;
      const uint64_t n = std::min(run.count - done, kPfnsPerIndexPart - at);
      Piece& piece = piece_of(first + done);
      std::fill_n(piece.record.begin() + static_cast<ptrdiff_t>(at), n, ordinal);
      std::fill_n(piece.kind.begin() + static_cast<ptrdiff_t>(at), n,
                  static_cast<uint8_t>(run.kind));
      done += n;
    }
  }
  records_.push_back({offset, with_data == 0 ? 0 : (bytes << kPoint) / with_data});
  pages_bytes_ += bytes;
}

v1::IndexPart IndexBuilder::part(uint64_t i) const {
  v1::IndexPart message;
  message.set_first_pfn(i * kPfnsPerIndexPart);
  const Piece* piece = pieces_[i].get();
  if (!piece) return message;

  const auto with_data = [&](size_t at) {
    return piece->kind[at] != kUnmentioned && has_data(static_cast<v1::PageKind>(piece->kind[at]));
  };
  std::vector<uint32_t> used;
  for (size_t at = 0; at < kPfnsPerIndexPart; ++at)
    if (with_data(at) && (used.empty() || used.back() != piece->record[at]))
      used.push_back(piece->record[at]);
  std::ranges::sort(used);
  used.erase(std::unique(used.begin(), used.end()), used.end());
  uint64_t before = 0;
  for (const uint32_t record : used) {
    message.add_record_offsets(records_[record].offset - before);
    before = records_[record].offset;
  }

  size_t end_of_last = 0;
  for (size_t at = 0; at < kPfnsPerIndexPart;) {
    const uint8_t kind = piece->kind[at];
    const bool data = with_data(at);
    size_t end = at + 1;
    while (end < kPfnsPerIndexPart && piece->kind[end] == kind &&
           (!data || piece->record[end] == piece->record[at]))
      ++end;
    if (kind != kUnmentioned) {
      message.add_runs(at - end_of_last);
      message.add_runs(end - at);
      message.add_runs(kind);
      const auto which = std::ranges::lower_bound(used, data ? piece->record[at] : 0);
      message.add_runs(data ? static_cast<uint64_t>(which - used.begin()) : 0);
      end_of_last = end;
    }
    at = end;
  }
  return message;
}

void IndexBuilder::summarise(v1::IndexRoot& root) const {
  struct Sum {
    uint64_t pages = 0;
    uint64_t bytes = 0;
  };
  std::array<Sum, v1::PageKind_ARRAYSIZE> sums;
  for (const auto& piece : pieces_) {
    if (!piece) continue;
    for (size_t at = 0; at < kPfnsPerIndexPart; ++at) {
      if (piece->kind[at] == kUnmentioned) continue;
      Sum& sum = sums[piece->kind[at]];
      ++sum.pages;
      if (has_data(static_cast<v1::PageKind>(piece->kind[at])))
        sum.bytes += records_[piece->record[at]].bytes_per_page;
    }
  }
  for (size_t kind = 0; kind < sums.size(); ++kind) {
    if (sums[kind].pages == 0) continue;
    root.add_kind_pages(kind);
    root.add_kind_pages(sums[kind].pages);
    root.add_kind_pages(sums[kind].bytes >> kPoint);
  }
  root.set_pages_records(records_.size());
  root.set_pages_bytes(pages_bytes_);
}

std::vector<PageEntry> expand_index_part(const v1::IndexPart& part, uint64_t i, uint64_t nr_pfns,
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
  std::vector<PageEntry> entries(pfns);
  if (part.runs_size() % 4 != 0) refuse("ends within a run");
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
    const PageEntry entry{page_kind, true, data ? offsets[which] : 0};
    std::fill_n(entries.begin() + static_cast<ptrdiff_t>(at + gap), count, entry);
    at += gap + count;
  }
  return entries;
}

}  // namespace ferry
