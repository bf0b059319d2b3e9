// Frames between two hosts.
#include "migrate/link.h"

#include <array>

#include "error/error.h"

namespace ferry {

void Link::send(const v1::MigrateFrame& frame) {
  const std::string body = frame.SerializeAsString();
  Bytes bytes(4 + body.size());
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(body.size() >> (8 * i));
  std::copy_n(reinterpret_cast<const std::byte*>(body.data()), body.size(), bytes.data() + 4);
  const std::lock_guard lock(sending_);
  out_.write(bytes);
}

void Link::send(Handover message) {
  v1::MigrateFrame frame;
  frame.set_handover(static_cast<uint32_t>(message));
  send(frame);
}

void Link::send_data(std::span<const std::byte> bytes) {
  v1::MigrateFrame frame;
  frame.set_data(bytes.data(), bytes.size());
  send(frame);
}

void Link::send_end() {
  v1::MigrateFrame frame;
  frame.set_end(true);
  send(frame);
}

void Link::refuse(const std::string& sentence) {
  v1::MigrateFrame frame;
  frame.set_refusal(sentence);
  send(frame);
}

std::optional<v1::MigrateFrame> Link::receive() {
  std::array<std::byte, 4> head;
  const size_t got = in_.read(head);
  if (got == 0) return std::nullopt;
  if (got < head.size()) fail(Errc::io, "the link broke in the middle of a message");
  size_t length = 0;
  for (unsigned i = 0; i < 4; ++i) length |= static_cast<size_t>(head[i]) << (8 * i);
  if (length > kMostFrameBytes)
    fail(Errc::io, "the other host does not speak ferry's protocol: a message of {} bytes", length);
  Bytes body(length);
  if (in_.read(body) < length) fail(Errc::io, "the link broke in the middle of a message");
  v1::MigrateFrame frame;
  if (!frame.ParseFromArray(body.data(), static_cast<int>(length)))
    fail(Errc::io, "the other host does not speak ferry's protocol");
  return frame;
}

void LinkOutbox::send(Handover message) {
  try {
    link_.send(message);
  } catch (const Error&) {
  }
}

std::optional<Handover> handover_in(const v1::MigrateFrame& frame) {
  if (!frame.has_handover() || frame.handover() > 0xff) return std::nullopt;
  return handover_of(static_cast<uint8_t>(frame.handover()));
}

}  // namespace ferry
