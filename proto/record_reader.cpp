// Front to back through an image, checking the order of its records.
#include "proto/record_reader.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "error/error.h"
#include "proto/pages.h"

namespace ferry {
namespace {

// Memory grows by this much, or by the largest record that really arrived so far: a length alone
// makes nobody allocate.
constexpr size_t kStep = 256 << 10;

constexpr size_t kMostSpare = 4 << 20;  // bytes, waiting to be used again

constexpr size_t kSha256Bytes = 32;

bool is_index(uint32_t kind) {
  return kind == v1::Record::kIndexPart || kind == v1::Record::kIndexRoot;
}

void check_delta(const v1::Head& head, Deltas deltas) {
  const v1::Base& base = head.base();
  if (base.sha256().size() != kSha256Bytes || base.digest_of_digests().size() != kDigestBytes)
    fail(Errc::bad_image, "the image is a delta, but does not say of which other image");
  if (std::ranges::count(head.required_features(), kDeltaFeature) == 0)
    fail(Errc::bad_image, "the image names a base, but does not require the feature \"{}\"",
         kDeltaFeature);
  if (deltas == Deltas::refused)
    fail(Errc::bad_image,
         "this is a delta, which has only what differs from its base: it is read together with the "
         "image with the SHA-256 {} (--base)",
         hex_of(base.sha256()));
}

}  // namespace

struct RecordReader::State {
  explicit State(ByteSource& from) : source(from) {}

  Bytes read_record();
  Bytes take_spare();
  void check_order(const RawRecord& record);
  void check_end(const RawRecord& record);

  ByteSource& source;
  uint64_t sequence = 0;
  uint64_t offset = 0;
  uint64_t root_offset = 0;  // of the record before, if that was IndexRoot
  bool in_index = false;
  bool ended = false;
  size_t largest = kStep;
  DigestOfDigests digests;

  std::mutex mutex;  // of what follows
  std::vector<Bytes> spare;
  size_t spare_bytes = 0;
};

// What is in it is stale; it is never larger than the largest record so far.
Bytes RecordReader::State::take_spare() {
  std::lock_guard lock(mutex);
  if (spare.empty()) return Bytes(kRecordPrefix);
  Bytes bytes = std::move(spare.back());
  spare.pop_back();
  spare_bytes -= bytes.size();
  return bytes;
}

Bytes RecordReader::State::read_record() {
  Bytes bytes = take_spare();
  const size_t got = source.read(std::span(bytes).first(kRecordPrefix));
  if (sequence == 0) {
    bytes.resize(got < kRecordPrefix ? got : kMagicRecord);
    if (got == kRecordPrefix)
      bytes.resize(got + source.read(std::span(bytes).subspan(kRecordPrefix)));
    check_magic(bytes);
    return bytes;
  }
  if (got == 0)
    fail(Errc::bad_image, "the image ends at byte {}, behind record {}, without an End record",
         offset, sequence - 1);
  if (got < kRecordPrefix)
    fail(Errc::bad_image, "the image is cut off at byte {}, inside record {}", offset + got,
         sequence);
  const size_t whole = record_length(std::span(bytes).first(kRecordPrefix), sequence, offset);
  for (size_t have = kRecordPrefix; have < whole;) {
    const size_t next = std::min(whole, std::max(largest, have + kStep));
    if (bytes.size() < next) bytes.resize(next);
    const size_t more = source.read(std::span(bytes).subspan(have, next - have));
    have += more;
    if (have < next)
      fail(Errc::bad_image, "the image is cut off at byte {}, inside record {}", offset + have,
           sequence);
  }
  bytes.resize(whole);
  largest = std::max(largest, whole);
  return bytes;
}

void RecordReader::State::check_order(const RawRecord& record) {
  const auto refuse = [&](const char* what) {
    fail(Errc::bad_image, "{} {}", place_of(record), what);
  };
  if ((record.kind == v1::Record::kMagic) != (sequence == 0))
    refuse("is a Magic record, which only an image's first record is");
  if ((record.kind == v1::Record::kHead) != (sequence == 1))
    refuse(sequence == 1 ? "is no Head, which the second record has to be"
                         : "is a second Head record");
  if (in_index && record.kind <= v1::Record::kTimeline)
    refuse("holds data, but comes after the index");
  if (is_index(record.kind)) in_index = true;
}

void RecordReader::State::check_end(const RawRecord& record) {
  const auto refuse = [&](const char* what) {
    fail(Errc::bad_image, "{}, the End, {}: records are missing or damaged", place_of(record),
         what);
  };
  check_digest(record);
  if (record.bytes.size() != kEndRecord) refuse("has a wrong size");
  const v1::Record parsed = parse_record(record);
  const v1::End& end = parsed.end();
  if (end.records() != sequence + 1) refuse("counts another number of records");
  if (end.bytes() != offset + kEndRecord) refuse("states another size of the image");
  if (root_offset == 0 || end.index_root_offset() != root_offset)
    refuse("does not have the index's root in front of it");
  const Digest digest = digests.result();
  if (!std::ranges::equal(std::as_bytes(std::span(end.digest_of_digests())), digest))
    refuse("holds a wrong digest of the digests");
}

RecordReader::RecordReader(ByteSource& source) : state_(std::make_unique<State>(source)) {
}
RecordReader::~RecordReader() = default;

std::optional<RawRecord> RecordReader::next() {
  State& state = *state_;
  if (state.ended) return {};
  RawRecord record = frame_record(state.read_record(), state.sequence, state.offset);
  state.check_order(record);
  if (record.kind == v1::Record::kEnd) {
    state.check_end(record);
    state.ended = true;
  }
  state.root_offset = record.kind == v1::Record::kIndexRoot ? state.offset : 0;
  state.digests.add(record.digest());
  state.offset += record.bytes.size();
  ++state.sequence;
  return record;
}

void RecordReader::reuse(Bytes bytes) {
  std::lock_guard lock(state_->mutex);
  if (bytes.size() < kRecordPrefix || state_->spare_bytes + bytes.size() > kMostSpare) return;
  state_->spare_bytes += bytes.size();
  state_->spare.push_back(std::move(bytes));
}

bool is_delta(const v1::Head& head) {
  return head.has_base() || std::ranges::count(head.required_features(), kDeltaFeature) != 0;
}

std::string hex_of(const std::string& sha256) {
  std::string hex;
  for (const char c : sha256) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

void check_head(const v1::Head& head, Deltas deltas) {
  for (const std::string& feature : head.required_features()) {
    if (feature == kDeltaFeature) continue;
    fail(Errc::unsupported, "the image requires the feature \"{}\", which this ferry does not know",
         feature);
  }
  if (is_delta(head)) check_delta(head, deltas);
  if (head.guest_width() != 8 || head.pt_levels() != 4)
    fail(
        Errc::unsupported,
        "the guest has {}-bit words and {} page-table levels; this ferry knows 64 bit and 4 levels",
        8 * uint64_t{head.guest_width()}, head.pt_levels());
  if (head.nr_pfns() == 0 || head.nr_pfns() > kMaxPfns)
    fail(Errc::bad_image, "the guest of this image would have {} pfns; 1 to {} are possible",
         head.nr_pfns(), kMaxPfns);
}

}  // namespace ferry
