// Variants of one image.
#include "tests/audit/real_image.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry::test {
namespace {

RawRecord raw_of(const Piece& piece) {
  RawRecord raw;
  raw.kind = piece.kind;
  raw.bytes = piece.bytes;
  raw.body_at = piece.body_at;
  raw.body_bytes = piece.body_bytes;
  return raw;
}

bool is_written_anew(uint32_t kind) {
  return kind == v1::Record::kMagicFieldNumber || kind == v1::Record::kIndexPartFieldNumber ||
         kind == v1::Record::kIndexRootFieldNumber || kind == v1::Record::kEndFieldNumber;
}

// Pages of data that a restore itself looks into.
std::set<uint64_t> pages_that_matter(const RealImage& image) {
  constexpr size_t kRdx = 616, kGdtFrames = 4832, kGdtEntries = 4960;
  constexpr size_t kStoreWord = 56 / 8, kConsoleWord = 72 / 8;
  const uint64_t start_info = image.vcpus().at(0).get(kRdx);
  const TestPage page = image.page(start_info);
  std::set<uint64_t> pfns{start_info, page.words[kStoreWord], page.words[kConsoleWord]};
  for (const TestVcpu& vcpu : image.vcpus())
    for (uint64_t i = 0; i < (vcpu.get(kGdtEntries) + 511) / 512; ++i)
      pfns.insert(vcpu.get(kGdtFrames + 8 * i));
  uint64_t at = 0;
  const auto& runs = image.head().stale_frame_lists();
  for (int i = 0; i + 1 < runs.size(); i += 2) {
    at += runs[i];
    for (const uint64_t end = at + runs[i + 1]; at < end; ++at) pfns.insert(at);
  }
  return pfns;
}

}  // namespace

RealImage::RealImage(const Bytes& image) : pieces_(take_apart(image)), views_(pieces_.size()) {
  for (uint32_t n = 0; n < pieces_.size(); ++n) {
    if (pieces_[n].kind == v1::Record::kPagesFieldNumber) {
      views_[n] = decode_pages(raw_of(pieces_[n]), head_.nr_pfns());
      views_[n].data = {};
      uint32_t nth = 0;
      for (const PageRun& run : views_[n].runs)
        for (uint64_t i = 0; i < run.count; ++i) {
          places_.at(run.first.raw() + i) = {run.kind, n, nth};
          nth += has_data(run.kind);
        }
    } else if (!is_written_anew(pieces_[n].kind)) {
      const v1::Record record = parse_record(raw_of(pieces_[n]));
      if (record.has_head()) head_ = record.head();
      if (record.has_head()) places_.resize(head_.nr_pfns());
      if (record.has_vcpu()) vcpus_.push_back({record.vcpu()});
    }
  }
}

Bytes RealImage::pages_of(uint32_t piece) const {
  const RawRecord raw = raw_of(pieces_[piece]);
  PagesDecoder decoder;
  const auto pages = decoder.decompress(raw, decode_pages(raw, head_.nr_pfns()));
  return {pages.begin(), pages.end()};
}

TestPage RealImage::page(uint64_t pfn) const {
  const Place& place = places_.at(pfn);
  TestPage page{.kind = place.kind};
  if (!has_data(place.kind)) return page;
  if (held_piece_ != place.piece) held_ = pages_of(place.piece);
  held_piece_ = place.piece;
  std::memcpy(page.words.data(), held_.data() + place.nth * kPageSize, kPageSize);
  return page;
}

Variant::Variant(const RealImage& of) : of_(of), vcpus_(of.vcpus_) {
  for (const Piece& piece : of.pieces_) {
    if (piece.kind == v1::Record::kCpuPolicyFieldNumber)
      cpu_policy_ = parse_record(raw_of(piece)).cpu_policy();
    if (piece.kind == v1::Record::kTscFieldNumber) tsc_ = parse_record(raw_of(piece)).tsc();
  }
}

TestPage& Variant::page(uint64_t pfn) {
  const auto found = pages_.find(pfn);
  return found != pages_.end() ? found->second : pages_.emplace(pfn, of_.page(pfn)).first->second;
}

bool Variant::touches(const PagesView& view) const {
  return std::ranges::any_of(view.runs, [&](const PageRun& run) {
    const auto next = pages_.lower_bound(run.first.raw());
    return next != pages_.end() && next->first < run.first.raw() + run.count;
  });
}

Bytes Variant::changed_batch(uint32_t piece, uint64_t sequence, std::vector<PageRun>& runs) const {
  const Bytes before = of_.pages_of(piece);
  Bytes pages;
  const std::byte* at = before.data();
  for (const PageRun& run : of_.views_[piece].runs) {
    for (uint64_t i = 0; i < run.count; ++i) {
      const uint64_t pfn = run.first.raw() + i;
      const auto changed = pages_.find(pfn);
      const bool own = changed != pages_.end();
      const v1::PageKind kind = own ? changed->second.kind : run.kind;
      append_page(runs, pfn_t(pfn), kind);
      const auto* words =
          own ? reinterpret_cast<const std::byte*>(changed->second.words.data()) : at;
      if (has_data(kind)) pages.insert(pages.end(), words, words + kPageSize);
      if (has_data(run.kind)) at += kPageSize;
    }
  }
  return PagesEncoder(1).encode(sequence, of_.views_[piece].round, runs, pages);
}

Bytes Variant::image() const {
  MemorySink sink;
  RecordWriter writer(sink, of_.head_.nr_pfns());
  size_t vcpu = 0;
  for (uint32_t n = 0; n < of_.pieces_.size(); ++n) {
    const Piece& piece = of_.pieces_[n];
    if (is_written_anew(piece.kind)) continue;
    if (piece.kind == v1::Record::kPagesFieldNumber) {
      // Its number is the same as before: no record comes or goes.
      const uint64_t sequence = writer.next_sequence();
      std::vector<PageRun> runs;
      if (touches(of_.views_[n])) {
        const Bytes changed = changed_batch(n, sequence, runs);
        writer.write_pages(changed, runs);
      } else {
        writer.write_pages(piece.bytes, of_.views_[n].runs);
      }
      continue;
    }
    v1::Record record = parse_record(raw_of(piece));
    record.clear_digest();
    if (record.has_vcpu()) *record.mutable_vcpu() = vcpus_.at(vcpu++).record;
    if (record.has_cpu_policy()) *record.mutable_cpu_policy() = cpu_policy_;
    if (record.has_tsc()) *record.mutable_tsc() = tsc_;
    writer.write(record);
  }
  writer.finish();
  return sink.bytes();
}

Bytes thinned(const RealImage& image) {
  const std::set<uint64_t> kept = pages_that_matter(image);
  Variant thin(image);
  for (uint64_t pfn = 0; pfn < image.nr_pfns(); ++pfn)
    if (image.kind(pfn) == v1::DATA && pfn % 64 != 0 && !kept.contains(pfn))
      thin.page(pfn).kind = v1::ZERO;
  return thin.image();
}

}  // namespace ferry::test
