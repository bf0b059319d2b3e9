// A block device in place of a file. It keeps what was on it until that is overwritten, so half of
// a new image could lie in front of the rest of an old one. While an image is written there, its
// first 16 bytes are kept with every bit turned:
//
//   | first 16 bytes, turned | the rest as it comes | what was there before … |
//
// Nobody takes that for an image. They are turned back when all the rest is on the device.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "io/byte_stream.h"

namespace ferry {

inline constexpr size_t kTurnedBytes = 16;

// How many bytes the device has; nothing of a descriptor that is no block device. Throws Error(io).
std::optional<uint64_t> device_bytes(int fd);

// Some drivers let a device be opened for writing that takes none.
bool is_read_only(int fd);

void turn_bits(std::span<std::byte> bytes);
// The first bytes of what was written there, turned or turned back, and on the device when this
// returns. Throws Error(io).
void turn_head(int fd, uint64_t offset);

// Nobody takes for an image any more what was written there. Throws Error(io).
void spoil_head(int fd, uint64_t offset);

// Writes to a device from where the descriptor stands, which may be behind a header of xl's.
class DeviceSink final : public ByteSink {
 public:
  // inner writes to fd.
  DeviceSink(ByteSink& inner, int fd);
  // Nothing that was there can be taken for an image once this has written anything else.
  void write(std::span<const std::byte> bytes) override;
  // All is on the device, and then the head is turned back. For who cannot do that when it is sure
  // that the image counts. Throws Error(io).
  void finish();

 private:
  ByteSink& inner_;
  int fd_;
  uint64_t start_;
  std::array<std::byte, kTurnedBytes> head_{};
  size_t held_ = 0;
};

}  // namespace ferry
