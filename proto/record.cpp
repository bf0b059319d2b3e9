// One record on the wire (drawn in record.h): framing and digests.
#include "proto/record.h"

#include <xxh_x86dispatch.h>  // XXH3 with the widest vectors this machine has

#include <algorithm>
#include <new>

#include <fmt/format.h>

#include "error/error.h"
#include "proto/foreign.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr std::byte kRecordTag{0x0a};    // Image.record
constexpr std::byte kSequenceTag{0x09};  // Record.sequence
constexpr size_t kSequenceField = 1 + 8;
constexpr size_t kDigestField = kDigestTag.size() + kDigestBytes;
constexpr size_t kMinRecord = kRecordPrefix + kSequenceField + 2 + kDigestField;
constexpr uint64_t kMagicNumber = 0x474d495952524546;  // "FERRYIMG"
constexpr size_t kFixedStart = 26;  // of the Magic record: up to and with the magic number
constexpr size_t kMajorAt = 27;
constexpr uint64_t kSmallestRecord = kRecordPrefix + 9 + 3 + kDigestBytes;  // without a body
constexpr unsigned kFirstBody = 2, kLastBody = 30;  // field numbers in Record

// A number that cannot be a record's there is something else of the image: a guest's memory, where
// an index leads into that.
std::string place(uint64_t sequence, uint64_t offset) {
  if (sequence > offset / kSmallestRecord + 1) return fmt::format("what is at byte {}", offset);
  return fmt::format("record {} at byte {}", sequence, offset);
}

Digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  static_assert(sizeof bytes == kDigestBytes);
  XXH128_canonicalFromHash(&bytes, hash);
  Digest digest;
  std::memcpy(digest.data(), &bytes, sizeof bytes);
  return digest;
}

const google::protobuf::Message& body_of(const v1::Record& record, unsigned& field_number) {
  const auto* descriptor = v1::Record::descriptor();
  const auto* reflection = v1::Record::GetReflection();
  const auto* field =
      reflection->GetOneofFieldDescriptor(record, descriptor->FindOneofByName("body"));
  if (!field) fail(Errc::internal, "record {} has no body to write", record.sequence());
  field_number = static_cast<unsigned>(field->number());
  return reflection->GetMessage(record, field);
}

// The body's tag: one field number has one spelling.
std::optional<unsigned> body_field(wire::Cursor& cursor) {
  const size_t before = cursor.left();
  const auto tag = cursor.varint();
  if (!tag || (*tag & 7) != wire::kLength) return {};
  const uint64_t field = *tag >> 3;
  if (field < kFirstBody || field > kLastBody) return {};
  if (before - cursor.left() != (*tag < 0x80 ? 1u : 2u)) return {};
  return static_cast<unsigned>(field);
}

// How many numbers the field holds if it is a packed array: one byte of each has no top bit.
size_t numbers_in(const google::protobuf::Descriptor* body, uint64_t field,
                  std::span<const std::byte> content) {
  const auto* known = body ? body->FindFieldByNumber(static_cast<int>(field)) : nullptr;
  if (!known || !known->is_packable() || !known->is_repeated()) return 0;
  return static_cast<size_t>(std::ranges::count_if(
      content, [](std::byte b) { return (b & std::byte{0x80}) == std::byte{}; }));
}

// All of the schema's arrays of numbers are packed, so a body has few fields. The generated classes
// may spend 50 bytes on each two bytes of a hostile body; with these limits they spend 16 on each
// number at most, and on few of them.
void check_fields(const RawRecord& record) {
  const auto* kind = v1::Record::descriptor()->FindFieldByNumber(static_cast<int>(record.kind));
  const auto* body = kind ? kind->message_type() : nullptr;
  size_t fields = 0, numbers = 0;
  for (wire::Cursor cursor(record.body()); !cursor.empty(); ++fields) {
    const auto tag = cursor.varint();
    const bool bytes = tag && (*tag & 7) == wire::kLength;
    const auto content = bytes ? cursor.length_delimited() : std::span<const std::byte>();
    if (!tag || *tag >> 3 == 0 || !content || (!bytes && !cursor.skip(*tag & 7)))
      fail(Errc::bad_image, "{} holds a malformed field", place_of(record));
    if (fields == kMaxFields)
      fail(Errc::bad_image, "{} has more than {} fields", place_of(record), kMaxFields);
    numbers += numbers_in(body, *tag >> 3, *content);
    if (numbers > kMaxNumbers)
      fail(Errc::bad_image, "{} has more than {} numbers", place_of(record), kMaxNumbers);
  }
}

}  // namespace

std::span<const std::byte> RawRecord::body() const {
  return std::span(bytes).subspan(body_at, body_bytes);
}

Digest RawRecord::digest() const {
  Digest digest;
  std::copy_n(bytes.end() - kDigestBytes, kDigestBytes, digest.begin());
  return digest;
}

Digest digest_of(std::span<const std::byte> bytes) {
  return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

struct RunningDigest::State {
  State() {
    if (!hash) throw std::bad_alloc();
  }
  ~State() { XXH3_freeState(hash); }

  XXH3_state_t* hash = XXH3_createState();
};

RunningDigest::RunningDigest() : state_(std::make_unique<State>()) {
  restart();
}

RunningDigest::~RunningDigest() = default;

void RunningDigest::restart() {
  XXH3_128bits_reset(state_->hash);
}

void RunningDigest::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->hash, bytes.data(), bytes.size());
}

Digest RunningDigest::result() const {
  return canonical(XXH3_128bits_digest(state_->hash));
}

const Bytes& magic_record() {
  static const Bytes bytes = [] {
    v1::Record record;
    record.mutable_magic()->set_magic(kMagicNumber);
    record.mutable_magic()->set_major(kFormatMajor);
    return encode_record(record);
  }();
  return bytes;
}

void check_magic(std::span<const std::byte> first_bytes) {
  if (first_bytes.size() < kMagicRecord && !first_bytes.empty() && looks_like_image(first_bytes))
    fail(Errc::bad_image, "{} is cut off: there are only {} bytes of this image", place(0, 0),
         first_bytes.size());
  if (!looks_like_image(first_bytes))
    fail(Errc::bad_image, "this is no ferry image: it is {}", what_it_seems(first_bytes));
  const auto magic = first_bytes.first(kMagicRecord);
  if (std::ranges::equal(magic, magic_record())) return;
  const Digest digest = digest_of(magic.first(kMagicRecord - kDigestBytes));
  if (!std::ranges::equal(digest, magic.last(kDigestBytes)))
    fail(Errc::bad_image, "{} is damaged: its digest is wrong", place(0, 0));
  fail(Errc::bad_image, "this is an image of format version {}, this ferry reads version {}",
       wire::get_fixed<uint32_t>(magic.subspan(kMajorAt)), kFormatMajor);
}

Bytes encode_record(const v1::Record& record) {
  unsigned field = 0;
  const google::protobuf::Message& body = body_of(record, field);
  const size_t body_bytes = body.ByteSizeLong();
  if (body_bytes > kMaxRecord - 64)
    fail(Errc::internal, "record {} would have {} bytes, more than the {} a record can have",
         record.sequence(), body_bytes, kMaxRecord);

  Bytes out;
  out.reserve(body_bytes + 64);
  out.push_back(kRecordTag);
  out.resize(kRecordPrefix);
  out.push_back(kSequenceTag);
  wire::put_fixed(out, record.sequence());
  wire::put_tag(out, field, wire::kLength);
  wire::put_varint(out, body_bytes);
  const size_t body_at = out.size();
  out.resize(body_at + body_bytes);
  body.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out.data() + body_at));
  seal_record(out);
  return out;
}

void seal_record(Bytes& record) {
  record.insert(record.end(), kDigestTag.begin(), kDigestTag.end());
  wire::put_padded(std::span<std::byte>(record).subspan(1, wire::kPaddedLength),
                   record.size() + kDigestBytes - kRecordPrefix);
  const Digest digest = digest_of(record);
  record.insert(record.end(), digest.begin(), digest.end());
}

void renumber_record(Bytes& record, uint64_t sequence) {
  Bytes number;
  wire::put_fixed(number, sequence);
  std::ranges::copy(number, record.begin() + kRecordPrefix + 1);
  const Digest digest = digest_of(std::span(record).first(record.size() - kDigestBytes));
  std::ranges::copy(digest, record.end() - kDigestBytes);
}

size_t record_length(std::span<const std::byte> prefix, uint64_t sequence, uint64_t offset) {
  if (prefix.size() < kRecordPrefix || prefix[0] != kRecordTag)
    fail(Errc::bad_image, "{} does not begin like a record: the image is damaged",
         place(sequence, offset));
  const auto length = wire::get_padded(prefix.subspan(1, wire::kPaddedLength));
  if (!length)
    fail(Errc::bad_image, "{} has a malformed length: the image is damaged",
         place(sequence, offset));
  const uint64_t whole = *length + kRecordPrefix;
  if (whole < kMinRecord || whole > kMaxRecord)
    fail(Errc::bad_image, "{} claims to have {} bytes; records have {} to {}",
         place(sequence, offset), whole, kMinRecord, kMaxRecord);
  return whole;
}

RawRecord frame_record(Bytes bytes, uint64_t sequence, uint64_t offset) {
  const auto malformed = [&](std::string_view what) {
    fail(Errc::bad_image, "{} {}: the image is damaged", place(sequence, offset), what);
  };
  if (bytes.size() < kMinRecord) malformed("is cut off");
  if (record_length(bytes, sequence, offset) != bytes.size()) malformed("has a wrong length");

  wire::Cursor cursor{std::span(bytes).subspan(kRecordPrefix)};
  if (cursor.take(1)->front() != kSequenceTag) malformed("has no sequence number");
  const auto claimed = wire::get_fixed<uint64_t>(*cursor.take(8));
  if (claimed != sequence)
    fail(Errc::bad_image, "{} calls itself record {}: records are missing, repeated or damaged",
         place(sequence, offset), claimed);
  const auto field = body_field(cursor);
  if (!field) malformed("has no body");
  const auto body = cursor.length_delimited();
  if (!body || cursor.left() != kDigestField) malformed("has a body of a wrong length");
  if (!std::ranges::equal(*cursor.take(kDigestTag.size()), kDigestTag)) malformed("has no digest");

  RawRecord record;
  record.sequence = sequence;
  record.offset = offset;
  record.kind = *field;
  record.body_at = static_cast<size_t>(body->data() - bytes.data());
  record.body_bytes = body->size();
  record.bytes = std::move(bytes);
  return record;
}

void check_digest(const RawRecord& record) {
  const auto covered = std::span(record.bytes).first(record.bytes.size() - kDigestBytes);
  if (digest_of(covered) != record.digest())
    fail(Errc::bad_image, "{} is damaged: its digest is wrong", place_of(record));
}

v1::Record parse_record(const RawRecord& record) {
  check_fields(record);
  v1::Record parsed;
  const auto fields = std::span(record.bytes).subspan(kRecordPrefix);
  if (!parsed.ParseFromArray(fields.data(), static_cast<int>(fields.size())))
    fail(Errc::bad_image, "{} is not a message of this format", place_of(record));
  return parsed;
}

std::string place_of(const RawRecord& record) {
  return place(record.sequence, record.offset);
}

bool looks_like_image(std::span<const std::byte> first_bytes) {
  const auto start = first_bytes.first(std::min(first_bytes.size(), kFixedStart));
  return !start.empty() && std::equal(start.begin(), start.end(), magic_record().begin());
}

}  // namespace ferry
