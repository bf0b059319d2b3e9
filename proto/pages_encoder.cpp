// Writes Pages records by hand. Their body (all of it is valid protobuf; the
// lengths marked 5 are padded, so that they can be filled in once they are known):
//
//   | 08 | round, varint |                         not there if 0
//   | 12 | length 5 | gap, count, kind, gap, … |   varints; not there if there are none
//   | 18 | 01 |                                    zstd; not there if raw
//   | 20 | raw_bytes, varint |                     not there if 0
//   | 2a | length 5 | data |                       not there if empty
//
// In a buffer the data has its place before anybody knows how it is stored; the head, all before
// it, is put right in front of it at last:
//
//   | … | head | data | fa 01 10 | digest | … |
#include "proto/pages.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
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

// Varints of one run, and of all else in a head, at most.
constexpr size_t kRunBytes = 10 + 10 + 2;
constexpr size_t kHeadBytes = 128;

constexpr std::align_val_t kAligned{kPageSize};
constexpr size_t kUsualRecord = 2304u << 10;  // with 512 pages and all their runs

// Opens a length-delimited field; close_field fills in its length. stored: bytes of it that are not
// in out.
size_t open_field(Bytes& out, unsigned field) {
  wire::put_tag(out, field, wire::kLength);
  out.resize(out.size() + wire::kPaddedLength);
  return out.size();
}

void close_field(Bytes& out, size_t content_at, size_t stored = 0) {
  wire::put_padded(std::span(out).subspan(content_at - wire::kPaddedLength, wire::kPaddedLength),
                   out.size() - content_at + stored);
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

// Whether nothing can be made of a page: encrypted, or compressed already. Of 128 bytes of noise
// 101 are different from each other, give or take 4; of what has but seven bits to a byte 81.
bool is_noise(const std::byte* page) {
  constexpr size_t kSamples = 128, kEach = kPageSize / kSamples, kSteps = 7, kMostAlike = 88;
  uint64_t seen[4] = {};
  for (size_t i = 0; i < kSamples; ++i) {
    // At changing places of a word: numbers have noise at one end only.
    const auto byte = std::to_integer<unsigned>(page[i * kEach + i * kSteps % kEach]);
    seen[byte / 64] |= uint64_t{1} << byte % 64;
  }
  size_t different = 0;
  for (const uint64_t word : seen) different += static_cast<size_t>(std::popcount(word));
  return different > kMostAlike;
}

void put_number(Bytes& out, unsigned field, uint64_t value) {
  wire::put_tag(out, field, wire::kVarint);
  wire::put_varint(out, value);
}

}  // namespace

void RecordBuffer::Free::operator()(std::byte* memory) const {
  ::operator delete(memory, kAligned);
}

void RecordBuffer::reserve(size_t head, size_t data) {
  data_at_ = (head + kPageSize - 1) / kPageSize * kPageSize;
  const size_t needed =
      (data_at_ + data + kDigestTag.size() + kDigestBytes + kPageSize - 1) / kPageSize * kPageSize;
  record_ = {};
  if (needed <= size_) return;
  const size_t more = std::max(needed, std::min(2 * size_, kUsualRecord));
  size_ = 0;
  memory_.reset();
  memory_.reset(static_cast<std::byte*>(::operator new(more, kAligned)));
  size_ = more;
}

struct PagesEncoder::State {
  ~State() { ZSTD_freeCCtx(zstd); }

  // Where the pages come first: into the record, or where they wait to be compressed.
  RecordBuffer& pages() { return compresses ? spare : *into; }
  void put_head(RecordBuffer& to, v1::Codec codec, size_t stored);
  size_t compress(std::span<const std::byte> from, std::span<std::byte> room);
  bool put_compressed();

  int level = 0;
  ZSTD_CCtx* zstd = nullptr;
  RunningDigest digest;
  RecordBuffer spare, whole;
  Bytes head;

  // Of the record at hand.
  RecordBuffer* into = nullptr;
  uint64_t sequence = 0;
  uint32_t round = 0;
  std::span<const PageRun> runs;
  bool compresses = false;
  size_t bytes = 0;  // of pages with data
  size_t filled = 0;
  size_t noise = 0;  // pages of it
};

PagesEncoder::PagesEncoder(int level) : state_(std::make_unique<State>()) {
  set_level(level);
}

PagesEncoder::~PagesEncoder() = default;

void PagesEncoder::set_level(int level) {
  if (level == state_->level) return;
  state_->level = level;
  if (level == 0) return;
  if (!state_->zstd) state_->zstd = ZSTD_createCCtx();
  if (!state_->zstd) throw std::bad_alloc();
  const size_t rc = ZSTD_CCtx_setParameter(state_->zstd, ZSTD_c_compressionLevel, level);
  if (ZSTD_isError(rc)) fail(Errc::usage, "compression level {}: {}", level, ZSTD_getErrorName(rc));
}

// All before the data right in front of it, and the tag of the digest behind it.
void PagesEncoder::State::put_head(RecordBuffer& to, v1::Codec codec, size_t stored) {
  constexpr size_t kTail = kDigestTag.size() + kDigestBytes;
  head.clear();
  head.push_back(std::byte{0x0a});  // Image.record
  head.resize(kRecordPrefix);
  wire::put_tag(head, v1::Record::kSequenceFieldNumber, wire::kFixed64);
  wire::put_fixed(head, sequence);
  const size_t body_at = open_field(head, v1::Record::kPagesFieldNumber);
  if (round != 0) put_number(head, kRound, round);
  put_runs(head, runs);
  if (codec != v1::RAW) put_number(head, kCodec, codec);
  if (bytes != 0) {
    put_number(head, kRawBytes, bytes);
    close_field(head, open_field(head, kData), stored);
  }
  close_field(head, body_at, stored);
  wire::put_padded(std::span(head).subspan(1, wire::kPaddedLength),
                   head.size() - kRecordPrefix + stored + kTail);
  to.record_ = {to.data() - head.size(), head.size() + stored + kTail};
  std::ranges::copy(head, to.record_.begin());
  std::ranges::copy(kDigestTag, to.data() + stored);
}

void PagesEncoder::begin(RecordBuffer& into, uint64_t sequence, uint32_t round,
                         std::span<const PageRun> runs) {
  State& state = *state_;
  state.bytes = checked_data_bytes(runs, sequence);
  state.into = &into;
  state.sequence = sequence;
  state.round = round;
  state.runs = runs;
  state.compresses = state.level != 0 && state.bytes != 0;
  state.filled = 0;
  state.noise = 0;
  const size_t head = kHeadBytes + kRunBytes * runs.size();
  into.reserve(head, state.bytes);
  if (state.compresses) {
    state.spare.reserve(head, state.bytes);
    return;
  }
  state.put_head(into, v1::RAW, state.bytes);
  state.digest.restart();
  state.digest.add(state.head);
}

std::byte* PagesEncoder::place() {
  State& state = *state_;
  if (state.filled == state.bytes)
    fail(Errc::internal, "record {} has no place for a page more", state.sequence);
  return state.pages().data() + state.filled;
}

void PagesEncoder::added() {
  State& state = *state_;
  const std::byte* const page = place();
  if (state.compresses)
    state.noise += is_noise(page);
  else
    state.digest.add({page, kPageSize});
  state.filled += kPageSize;
}

// 0 if what comes out is not smaller than the room is.
size_t PagesEncoder::State::compress(std::span<const std::byte> from, std::span<std::byte> room) {
  const size_t stored = ZSTD_compress2(zstd, room.data(), room.size(), from.data(), from.size());
  return ZSTD_isError(stored) ? 0 : stored;  // only lack of room makes it one
}

// Straight from zstd. False if that is not smaller than the pages are.
bool PagesEncoder::State::put_compressed() {
  // Less than a two-hundredth can be made smaller at all: not worth it.
  if ((bytes / kPageSize - noise) * 200 < bytes / kPageSize) return false;
  const size_t stored = compress({spare.data(), bytes}, {into->data(), bytes - 1});
  if (stored == 0) return false;
  put_head(*into, v1::ZSTD, stored);
  return true;
}

void PagesEncoder::finish() {
  State& state = *state_;
  if (state.filled != state.bytes)
    fail(Errc::internal, "record {}: {} bytes of pages do not fit its runs", state.sequence,
         state.filled);
  if (state.compresses && !state.put_compressed()) {
    state.put_head(state.spare, v1::RAW, state.bytes);
    std::swap(state.spare, *state.into);
  }
  const std::span<std::byte> record = state.into->record_;
  const auto covered = record.first(record.size() - kDigestBytes);
  Digest digest;
  if (state.compresses) {
    digest = digest_of(covered);
  } else {
    state.digest.add(kDigestTag);
    digest = state.digest.result();
  }
  std::ranges::copy(digest, record.last(kDigestBytes).begin());
}

Bytes PagesEncoder::encode(uint64_t sequence, uint32_t round, std::span<const PageRun> runs,
                           std::span<const std::byte> pages) {
  if (checked_data_bytes(runs, sequence) != pages.size())
    fail(Errc::internal, "record {}: {} bytes of pages do not fit their runs", sequence,
         pages.size());
  RecordBuffer& buffer = state_->whole;
  begin(buffer, sequence, round, runs);
  for (size_t at = 0; at < pages.size(); at += kPageSize) {
    std::memcpy(place(), &pages[at], kPageSize);
    added();
  }
  finish();
  return {buffer.record().begin(), buffer.record().end()};
}

}  // namespace ferry
