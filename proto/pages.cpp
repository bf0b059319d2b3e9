// Pages records by hand. The body, as a PagesEncoder writes it (all of it is valid protobuf; the
// lengths marked 5 are padded, so that they can be filled in once they are known):
//
//   | 08 | round, varint |                         not there if 0
//   | 12 | length 5 | gap, count, kind, gap, … |   varints; not there if there are none
//   | 18 | 01 |                                    zstd; not there if raw
//   | 20 | raw_bytes, varint |                     not there if 0
//   | 2a | length 5 | data |                       not there if empty
#include "proto/pages.h"

#include <zstd.h>

#include <new>

#include "error/error.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr unsigned kRound = 1, kRuns = 2, kCodec = 3, kRawBytes = 4, kData = 5;

uint64_t checked_data_bytes(std::span<const PageRun> runs, uint64_t sequence) {
  uint64_t pfns = 0, with_data = 0;
  pfn_t next;
  for (const PageRun& run : runs) {
    if (run.count == 0 || run.first < next || run.count > kMaxPfnsPerRecord)
      fail(Errc::internal, "record {}: pfn {} is out of order", sequence, run.first.raw());
    next = run.first + run.count;
    pfns += run.count;
    if (has_data(run.kind)) with_data += run.count;
  }
  if (pfns > kMaxPfnsPerRecord || with_data > kMaxPagesPerRecord)
    fail(Errc::internal, "record {}: {} pfns with {} pages are too many for one record", sequence,
         pfns, with_data);
  return with_data * kPageSize;
}

// Opens a length-delimited field; close_field fills in its length.
size_t open_field(Bytes& out, unsigned field) {
  wire::put_tag(out, field, wire::kLength);
  out.resize(out.size() + wire::kPaddedLength);
  return out.size();
}

void close_field(Bytes& out, size_t content_at) {
  wire::put_padded(std::span(out).subspan(content_at - wire::kPaddedLength, wire::kPaddedLength),
                   out.size() - content_at);
}

void put_runs(Bytes& out, std::span<const PageRun> runs) {
  if (runs.empty()) return;
  const size_t at = open_field(out, kRuns);
  pfn_t next;
  for (const PageRun& run : runs) {
    wire::put_varint(out, run.first - next);
    wire::put_varint(out, run.count);
    wire::put_varint(out, static_cast<uint64_t>(run.kind));
    next = run.first + run.count;
  }
  close_field(out, at);
}

void put_number(Bytes& out, unsigned field, uint64_t value) {
  wire::put_tag(out, field, wire::kVarint);
  wire::put_varint(out, value);
}

}  // namespace

bool has_data(v1::PageKind kind) {
  return kind != v1::ABSENT && kind != v1::ZERO;
}

bool is_page_table(v1::PageKind kind) {
  return table_level(kind) != 0;
}

bool is_pinned(v1::PageKind kind) {
  return kind >= v1::L1_PINNED && kind <= v1::L4_PINNED;
}

int table_level(v1::PageKind kind) {
  if (kind >= v1::L1 && kind <= v1::L4) return kind - v1::L1 + 1;
  if (is_pinned(kind)) return kind - v1::L1_PINNED + 1;
  return 0;
}

const char* kind_name(v1::PageKind kind) {
  switch (kind) {
    case v1::DATA:
      return "data";
    case v1::L1:
      return "L1";
    case v1::L2:
      return "L2";
    case v1::L3:
      return "L3";
    case v1::L4:
      return "L4";
    case v1::L1_PINNED:
      return "L1 (pinned)";
    case v1::L2_PINNED:
      return "L2 (pinned)";
    case v1::L3_PINNED:
      return "L3 (pinned)";
    case v1::L4_PINNED:
      return "L4 (pinned)";
    case v1::ABSENT:
      return "absent";
    case v1::ZERO:
      return "zero";
    case v1::P2M_LEAF:
      return "p2m leaf";
    default:
      return "unknown";
  }
}

void append_page(std::vector<PageRun>& runs, pfn_t pfn, v1::PageKind kind) {
  if (!runs.empty() && runs.back().kind == kind && runs.back().first + runs.back().count == pfn)
    ++runs.back().count;
  else
    runs.push_back({pfn, 1, kind});
}

struct PagesEncoder::State {
  ~State() { ZSTD_freeCCtx(zstd); }

  bool put_compressed(Bytes& out, std::span<const std::byte> pages);

  int level = 0;
  ZSTD_CCtx* zstd = nullptr;
};

PagesEncoder::PagesEncoder(int level) : state_(std::make_unique<State>()) {
  state_->level = level;
  if (level == 0) return;
  state_->zstd = ZSTD_createCCtx();
  if (!state_->zstd) throw std::bad_alloc();
  const size_t rc = ZSTD_CCtx_setParameter(state_->zstd, ZSTD_c_compressionLevel, level);
  if (ZSTD_isError(rc)) fail(Errc::usage, "compression level {}: {}", level, ZSTD_getErrorName(rc));
}

PagesEncoder::~PagesEncoder() = default;

// Appends codec, raw_bytes and data, straight from zstd. False, and nothing appended, if that is
// not smaller than the pages are.
bool PagesEncoder::State::put_compressed(Bytes& out, std::span<const std::byte> pages) {
  const size_t before = out.size();
  put_number(out, kCodec, v1::ZSTD);
  put_number(out, kRawBytes, pages.size());
  const size_t at = open_field(out, kData);
  const size_t room = pages.size() - 1;
  out.resize(at + room);
  const size_t stored = ZSTD_compress2(zstd, &out[at], room, pages.data(), pages.size());
  if (ZSTD_isError(stored)) {  // which only lack of room can make it
    out.resize(before);
    return false;
  }
  out.resize(at + stored);
  close_field(out, at);
  return true;
}

Bytes PagesEncoder::encode(uint64_t sequence, uint32_t round, std::span<const PageRun> runs,
                           std::span<const std::byte> pages) {
  if (checked_data_bytes(runs, sequence) != pages.size())
    fail(Errc::internal, "record {}: {} bytes of pages do not fit their runs", sequence,
         pages.size());
  Bytes out;
  out.reserve(128 + 16 * runs.size() + pages.size());
  out.push_back(std::byte{0x0a});  // Image.record
  out.resize(kRecordPrefix);
  wire::put_tag(out, v1::Record::kSequenceFieldNumber, wire::kFixed64);
  wire::put_fixed(out, sequence);
  const size_t body_at = open_field(out, v1::Record::kPagesFieldNumber);
  if (round != 0) put_number(out, kRound, round);
  put_runs(out, runs);
  if (!pages.empty() && (state_->level == 0 || !state_->put_compressed(out, pages))) {
    put_number(out, kRawBytes, pages.size());
    const size_t at = open_field(out, kData);
    out.insert(out.end(), pages.begin(), pages.end());
    close_field(out, at);
  }
  close_field(out, body_at);
  seal_record(out);
  return out;
}

namespace {

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
  const auto damaged = [&](const char* what) {
    fail(Errc::bad_image, "{}: its compressed pages {}", place_of(record), what);
  };
  const auto frame = view.data;
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    damaged("are not one zstd frame");
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != view.raw_bytes)
    damaged("would decompress to another size than the record states");
  Bytes& pages = state_->pages;
  if (pages.size() < view.raw_bytes) pages.resize(view.raw_bytes);
  const size_t got =
      ZSTD_decompressDCtx(state_->zstd, pages.data(), view.raw_bytes, frame.data(), frame.size());
  if (ZSTD_isError(got) || got != view.raw_bytes) damaged("cannot be decompressed");
  return std::span(pages).first(view.raw_bytes);
}

}  // namespace ferry
