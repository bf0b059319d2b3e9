// Takes Pages records apart by hand. Their body has these fields, in any order and any of them
// missing, and others that a later version may add:
//
//   | 08 | round, varint |
//   | 12 | length | gap, count, kind, gap, … |     varints, or each one as | 10 | varint |
//   | 18 | codec, varint |
//   | 20 | raw_bytes, varint |
//   | 2a | length | data |
#include "proto/pages.h"

#include <zstd.h>

#include <algorithm>
#include <new>

#include "error/error.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr unsigned kRound = 1, kRuns = 2, kCodec = 3, kRawBytes = 4, kData = 5;

// Reads one body; everything wrong with it is said with the record's place.
class PagesParser {
 public:
  PagesParser(const RawRecord& record, uint64_t nr_pfns) : record_(record), nr_pfns_(nr_pfns) {}

  PagesView parse();

 private:
  [[noreturn]] void malformed(const char* what) const {
    fail(Errc::bad_image, "{}: {}", place_of(record_), what);
  }
  uint64_t number(wire::Cursor& cursor, uint64_t max) const;
  void runs(wire::Cursor cursor);
  void run_number(uint64_t value);
  void end_run();
  void check_sizes() const;

  const RawRecord& record_;
  const uint64_t nr_pfns_;
  PagesView view_;
  uint64_t triple_[3] = {};  // gap, count, kind: runs may come in pieces
  unsigned filled_ = 0;
  uint64_t next_pfn_ = 0;
  uint64_t pfns_ = 0;
  uint64_t with_data_ = 0;
};

uint64_t PagesParser::number(wire::Cursor& cursor, uint64_t max) const {
  const auto value = cursor.varint();
  if (!value || *value > max) malformed("a number in it is malformed or too large");
  return *value;
}

void PagesParser::runs(wire::Cursor cursor) {
  while (!cursor.empty()) run_number(number(cursor, UINT64_MAX));
}

void PagesParser::run_number(uint64_t value) {
  triple_[filled_++] = value;
  if (filled_ == 3) end_run();
}

void PagesParser::end_run() {
  const auto [gap, count, kind] = triple_;
  filled_ = 0;
  if (kind > v1::PageKind_MAX || !v1::PageKind_IsValid(static_cast<int>(kind)))
    malformed("a run has a page kind that this ferry does not know");
  if (gap > nr_pfns_ - next_pfn_ || count > nr_pfns_ - next_pfn_ - gap)
    malformed("a run goes beyond the guest's last pfn");
  if (count == 0) malformed("a run is empty");
  const auto page_kind = static_cast<v1::PageKind>(kind);
  pfns_ += count;
  if (has_data(page_kind)) with_data_ += count;
  if (pfns_ > kMaxPfnsPerRecord || with_data_ > kMaxPagesPerRecord)
    malformed("it has more pages than a record can have");
  view_.runs.push_back({pfn_t(next_pfn_ + gap), count, page_kind});
  next_pfn_ += gap + count;
}

void PagesParser::check_sizes() const {
  if (filled_ != 0) malformed("its last run is incomplete");
  if (view_.raw_bytes != with_data_ * kPageSize)
    malformed("the size of its pages does not fit their number");
  if (view_.codec == v1::RAW && view_.data.size() != view_.raw_bytes)
    malformed("the bytes of its pages are not all there");
  if (view_.codec == v1::ZSTD && (view_.data.empty() || view_.data.size() >= view_.raw_bytes))
    malformed("its compressed pages are not smaller than the pages are");
}

PagesView PagesParser::parse() {
  if (record_.kind != v1::Record::kPages) malformed("it holds no pages");
  wire::Cursor cursor(record_.body());
  while (!cursor.empty()) {
    const uint64_t tag = number(cursor, UINT32_MAX);
    const auto is = [&](unsigned field, wire::Type type) { return tag == (field << 3 | type); };
    const auto bytes = [&] {
      const auto taken = cursor.length_delimited();
      if (!taken) malformed("a field in it is cut off");
      return *taken;
    };
    if (is(kRound, wire::kVarint)) {
      view_.round = static_cast<uint32_t>(number(cursor, UINT32_MAX));
    } else if (is(kRuns, wire::kLength)) {
      runs(wire::Cursor(bytes()));
    } else if (is(kRuns, wire::kVarint)) {  // not packed, which readers of packed fields accept
      run_number(number(cursor, UINT64_MAX));
    } else if (is(kCodec, wire::kVarint)) {
      const uint64_t codec = number(cursor, UINT32_MAX);
      if (codec > v1::ZSTD) malformed("its pages are compressed in a way this ferry does not know");
      view_.codec = static_cast<v1::Codec>(codec);
    } else if (is(kRawBytes, wire::kVarint)) {
      view_.raw_bytes = static_cast<uint32_t>(number(cursor, kMaxPagesPerRecord * kPageSize));
    } else if (is(kData, wire::kLength)) {
      view_.data = bytes();
    } else if (tag >> 3 == 0 || tag >> 3 <= kData || !cursor.skip(tag & 7)) {
      malformed("a field in it is malformed");
    }
  }
  check_sizes();
  return std::move(view_);
}

}  // namespace

PagesView decode_pages(const RawRecord& record, uint64_t nr_pfns) {
  return PagesParser(record, nr_pfns).parse();
}

struct PagesDecoder::State {
  ~State() { ZSTD_freeDCtx(zstd); }

  ZSTD_DCtx* zstd = ZSTD_createDCtx();
  Bytes pages;
};

PagesDecoder::PagesDecoder() : state_(std::make_unique<State>()) {
  if (!state_->zstd) throw std::bad_alloc();
}

PagesDecoder::~PagesDecoder() = default;

std::span<const std::byte> PagesDecoder::decompress(const RawRecord& record,
                                                    const PagesView& view) {
  if (view.codec == v1::RAW) return view.data;
  Bytes& pages = state_->pages;
  if (pages.size() < view.raw_bytes) pages.resize(view.raw_bytes);
  decompress_into(pages, record, view);
  return std::span(pages).first(view.raw_bytes);
}

void PagesDecoder::decompress_into(std::span<std::byte> memory, const RawRecord& record,
                                   const PagesView& view) {
  const auto frame = view.data;
  if (view.raw_bytes > memory.size())
    fail(Errc::internal, "{} bytes of pages have only {} bytes of room", view.raw_bytes,
         memory.size());
  if (view.codec == v1::RAW) {
    std::copy(frame.begin(), frame.end(), memory.begin());
    return;
  }
  const auto damaged = [&](const char* what) {
    fail(Errc::bad_image, "{}: its compressed pages {}", place_of(record), what);
  };
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    damaged("are not one zstd frame");
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != view.raw_bytes)
    damaged("would decompress to another size than the record states");
  const size_t got =
      ZSTD_decompressDCtx(state_->zstd, memory.data(), view.raw_bytes, frame.data(), frame.size());
  if (ZSTD_isError(got) || got != view.raw_bytes) damaged("cannot be decompressed");
}

}  // namespace ferry
