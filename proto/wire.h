// Protobuf's wire format, as far as it is written and read by hand. For this folder and convert/.
//
//   varint          7 bits a byte, lowest first, 0x80 on all bytes but the last
//   padded length   a varint of exactly 5 bytes: it can be patched once the length is known
//   tag             varint of field number << 3 | wire type
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "io/byte_stream.h"

namespace ferry::wire {

enum Type : unsigned { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

inline constexpr size_t kPaddedLength = 5;

inline void put_varint(Bytes& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(std::byte(value | 0x80));
  out.push_back(std::byte(value));
}

inline void put_tag(Bytes& out, unsigned field, Type type) {
  put_varint(out, field << 3 | type);
}

// Hosts are little-endian, as the wire is: PV guests exist on x86 only.
template <typename T>
void put_fixed(Bytes& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(&out[at], &value, sizeof value);
}

template <typename T>
T get_fixed(std::span<const std::byte> at) {
  T value;
  std::memcpy(&value, at.data(), sizeof value);
  return value;
}

inline void put_padded(std::span<std::byte> at, uint64_t length) {
  for (size_t i = 0; i < kPaddedLength; ++i, length >>= 7)
    at[i] = std::byte((length & 0x7f) | (i + 1 < kPaddedLength ? 0x80 : 0));
}

// Nothing unless these 5 bytes are a padded length.
inline std::optional<uint64_t> get_padded(std::span<const std::byte> at) {
  uint64_t length = 0;
  for (size_t i = 0; i < kPaddedLength; ++i) {
    const auto byte = std::to_integer<uint64_t>(at[i]);
    if ((byte >= 0x80) != (i + 1 < kPaddedLength)) return {};
    length |= (byte & 0x7f) << (7 * i);
  }
  return length;
}

// Takes fields off the front of a message. Nothing is what a message that ends early, or a
// malformed one, has.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (size_t i = 0; i < rest_.size() && i < 10; ++i) {
      const auto byte = std::to_integer<uint64_t>(rest_[i]);
      if (i == 9 && byte > 1) return {};  // more than 64 bits
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest_ = rest_.subspan(i + 1);
        return value;
      }
    }
    return {};
  }

  std::optional<std::span<const std::byte>> take(uint64_t bytes) {
    if (bytes > rest_.size()) return {};
    const auto taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }

  // Lengths have at most 5 bytes, as protobuf's own readers demand.
  std::optional<std::span<const std::byte>> length_delimited() {
    const size_t before = left();
    const auto length = varint();
    return length && before - left() <= kPaddedLength ? take(*length) : std::nullopt;
  }

  // Steps over the value of a field nobody knows. False for groups, which proto3 does not have.
  bool skip(unsigned type) {
    switch (type) {
      case kVarint:
        return varint().has_value();
      case kFixed64:
        return take(8).has_value();
      case kLength:
        return length_delimited().has_value();
      case kFixed32:
        return take(4).has_value();
      default:
        return false;
    }
  }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace ferry::wire
