// Frames between two hosts.
//
//   | length 4, little-endian | MigrateFrame, length bytes |
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "ferry/v1/migrate.pb.h"
#include "handover/message.h"
#include "io/byte_stream.h"
#include "migrate/image_chunk.h"

namespace ferry {

inline constexpr uint32_t kMigrateVersion = 3;
inline constexpr size_t kMostFrameBytes = 17 << 20;  // a configuration has 16 MiB at most

// The other side broke the protocol, or the link is gone. Both end the link.
class Link {
 public:
  // hang_up: says to the other side that nothing more will come. cut: whoever reads or writes fails
  // at once; from any thread. Both streams must outlive us.
  Link(ByteSource& in, ByteSink& out, std::function<void()> hang_up = {},
       std::function<void()> cut = {})
      : in_(in), out_(out), hang_up_(std::move(hang_up)), cut_(std::move(cut)) {}

  // Throws Error(io). From any thread.
  void send(const v1::MigrateFrame& frame);
  void send(HandoverMessage message);
  void send_chunk(uint64_t number, std::span<const std::byte> bytes);
  void send_end(uint64_t chunks);
  void refuse(const std::string& sentence, bool unknown_job = false);

  // Nothing at the end of the link. Throws Error(io), also for what is no frame: a peer that does
  // not keep to the protocol is as good as gone. One thread at a time, also while others send.
  // Text that comes instead of a first frame, such as a login's greeting, is in the Error.
  std::optional<v1::MigrateFrame> receive();
  // The same, but the bytes of a piece of the image are in chunk then and not in the frame.
  std::optional<v1::MigrateFrame> receive(ImageChunk& chunk);

  void hang_up() {
    if (hang_up_) hang_up_();
  }
  void cut() const {
    if (cut_) cut_();
  }

  // A destination's: what decides about the guest has to show this challenge, which the source was
  // told in its welcome (MigrateFrame.challenge). What does not is as good as no frame.
  void demand(std::string challenge) { demanded_ = std::move(challenge); }
  // A source's: it is shown from now on. Both before other threads use the link.
  void show(std::string challenge) { shown_ = std::move(challenge); }

  // What comes is in plain form (plain_frame.h), from a process without rights that decodes it.
  // Before the first receive().
  void read_plain_form() { plain_ = true; }

  // To a source that wants to know (MigrateHello.wants_progress).
  void send_progress(uint64_t bytes);

 private:
  std::optional<v1::MigrateFrame> receive_encoded(ImageChunk& chunk);
  [[noreturn]] void fail_with_text(std::string text);
  void check_challenge(const v1::MigrateFrame& frame) const;

  ByteSource& in_;
  ByteSink& out_;
  std::function<void()> hang_up_, cut_;
  std::string demanded_, shown_;  // empty: none
  bool plain_ = false;
  std::mutex sending_;
};

// What the handover says, over a link. One that broke is told to the handover by whoever reads from
// it next.
class LinkOutbox final : public HandoverOutbox {
 public:
  // The link of the moment; without one nothing is sent.
  explicit LinkOutbox(Link* const& link) : link_(link) {}
  void send(HandoverMessage message) override;

 private:
  Link* const& link_;
};

// The handover's message in a frame, if it holds one.
std::optional<HandoverMessage> handover_in(const v1::MigrateFrame& frame);

}  // namespace ferry
