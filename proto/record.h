// One record on the wire.
//
//   | 0a | length, 5 bytes | 09 | sequence, 8 | body: tag, length, bytes | fa 01 10 | digest, 16 |
//   |<---- prefix, 6 ----->|<--------------------- length ------------------------------------->|
//
// length is a varint padded to 5 bytes, so that a reader of a pipe knows after 6 bytes how many
// to read. The digest covers everything before its 16 bytes. Record 0 is Magic: the same 50 bytes
// in every image of one major version. The last record is End: always 81 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ferry/v1/image.pb.h"
#include "io/byte_stream.h"

namespace ferry {

inline constexpr size_t kRecordPrefix = 6;
inline constexpr size_t kDigestBytes = 16;
inline constexpr size_t kMagicRecord = 50;
inline constexpr size_t kEndRecord = 81;
inline constexpr size_t kMaxRecord = 6 << 20;   // a whole record, prefix included
inline constexpr size_t kMaxFields = 4096;      // in one body
inline constexpr size_t kMaxNumbers = 1 << 19;  // in the packed arrays of one body, together
inline constexpr uint32_t kFormatMajor = 1;

// How every End record begins.
inline constexpr std::array<std::byte, kRecordPrefix> kEndPrefix{
    std::byte{0x0a}, std::byte{0xcb}, std::byte{0x80}, std::byte{0x80}, std::byte{0x80}};
using Digest = std::array<std::byte, kDigestBytes>;

// A record as it came in: framing and limits checked, digest and body not yet.
struct RawRecord {
  uint64_t sequence = 0;
  uint64_t offset = 0;  // of its first byte, counted from the image's first byte
  uint32_t kind = 0;    // the body's field number in ferry.v1.Record; may be one we do not know
  Bytes bytes;          // all of it, prefix and digest included
  std::span<const std::byte> body() const;  // the body's own message, without tag and length
  Digest digest() const;                    // as claimed

  size_t body_at = 0;  // where body() lies in bytes
  size_t body_bytes = 0;
};

// Record 0: the same bytes in every image.
const Bytes& magic_record();

// Checks the first 50 bytes of what should be an image (fewer if there are no more). Throws
// Error(bad_image) saying what the thing seems to be, or which major version it has.
void check_magic(std::span<const std::byte> first_bytes);

// Serialises record (its sequence and body) with prefix, padded length and digest. Throws
// Error(internal) if it has no body or comes out larger than kMaxRecord.
Bytes encode_record(const v1::Record& record);

// What stands between the body and the digest, which covers it.
inline constexpr std::array kDigestTag{std::byte{0xfa}, std::byte{0x01}, std::byte{0x10}};

// Ends a record whose fields are all there but the digest: appends it and fills in the length.
void seal_record(Bytes& record);

// Gives a whole record another sequence number, and the digest that goes with it. Check the old
// digest first.
void renumber_record(Bytes& record, uint64_t sequence);

// XXH3-128, seed 0, in canonical form.
Digest digest_of(std::span<const std::byte> bytes);

// The same of bytes that come one after the other.
class RunningDigest {
 public:
  RunningDigest();
  ~RunningDigest();
  void restart();
  void add(std::span<const std::byte> bytes);
  Digest result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The digest over the digests of all records so far, for End.
class DigestOfDigests {
 public:
  void add(const Digest& digest) { running_.add(digest); }
  Digest result() const { return running_.result(); }

 private:
  RunningDigest running_;
};

// Takes one whole record apart. Throws Error(bad_image), naming record number and offset.
RawRecord frame_record(Bytes bytes, uint64_t sequence, uint64_t offset);

// How many bytes a record has, from its first 6. Throws Error(bad_image) if it cannot be one.
size_t record_length(std::span<const std::byte> prefix, uint64_t sequence, uint64_t offset);

// Throws Error(bad_image) unless the digest is right. Safe on any thread.
void check_digest(const RawRecord& record);

// Decodes the body with the generated classes. Throws Error(bad_image). Check the digest first.
v1::Record parse_record(const RawRecord& record);

// "record 12 at byte 34567": how every message about an image names a place.
std::string place_of(const RawRecord& record);

// True if these first bytes can only be an image of ours, whatever its major version: the first 26
// of all images are the same. Any number of bytes will do, 8 tell it from a libxc stream.
bool looks_like_image(std::span<const std::byte> first_bytes);

}  // namespace ferry
