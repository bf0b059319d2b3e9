// Writes Pages records by hand. Their body (all of it is valid protobuf; the
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

}  // namespace ferry
