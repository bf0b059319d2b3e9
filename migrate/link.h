// Frames between two hosts.
//
//   | length 4, little-endian | MigrateFrame, length bytes |
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "ferry/v1/migrate.pb.h"
#include "handover/message.h"
#include "proto/byte_stream.h"

namespace ferry {

inline constexpr uint32_t kMigrateVersion = 1;
inline constexpr size_t kMostFrameBytes = 17 << 20;  // a configuration has 16 MiB at most
inline constexpr size_t kDataBytes = 1 << 20;        // of the image in a frame

// The other side broke the protocol, or the link is gone. Both end the link.
class Link {
 public:
  Link(ByteSource& in, ByteSink& out) : in_(in), out_(out) {}

  // Throws Error(io). From any thread.
  void send(const v1::MigrateFrame& frame);
  void send(Handover message);
  void send_data(std::span<const std::byte> bytes);
  void send_end();
  void refuse(const std::string& sentence);

  // Nothing at the end of the link. Throws Error(io), also for what is no frame: a peer that does
  // not keep to the protocol is as good as gone.
  std::optional<v1::MigrateFrame> receive();

 private:
  ByteSource& in_;
  ByteSink& out_;
  std::mutex sending_;
};

// What the handover says, over a link. One that broke is told to the handover by whoever reads from
// it next.
class LinkOutbox final : public HandoverOutbox {
 public:
  explicit LinkOutbox(Link& link) : link_(link) {}
  void send(Handover message) override;

 private:
  Link& link_;
};

// The handover's message in a frame, if it holds one.
std::optional<Handover> handover_in(const v1::MigrateFrame& frame);

}  // namespace ferry
