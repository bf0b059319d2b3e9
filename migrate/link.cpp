// Frames between two hosts.
#include "migrate/link.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <array>

#include "error/error.h"
#include "migrate/plain_frame.h"

namespace ferry {
namespace {

bool is_text(std::byte b) {
  const auto c = std::to_integer<unsigned char>(b);
  return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
}

}  // namespace

void Link::send(const v1::MigrateFrame& frame) {
  const std::string body = frame.SerializeAsString();
  Bytes bytes(4 + body.size());
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(body.size() >> (8 * i));
  std::copy_n(reinterpret_cast<const std::byte*>(body.data()), body.size(), bytes.data() + 4);
  const std::lock_guard lock(sending_);
  out_.write(bytes);
}

void Link::send(HandoverMessage message) {
  v1::MigrateFrame frame;
  frame.set_handover(static_cast<uint32_t>(message));
  frame.set_challenge(shown_);
  send(frame);
}

// The frame that the generated classes would make, without a copy of the bytes:
//
//   | frame's length 4 | 2a, chunk's length | 08, number | 12, n | n bytes |
void Link::send_chunk(uint64_t number, std::span<const std::byte> bytes) {
  using Coded = google::protobuf::io::CodedOutputStream;
  const auto n = static_cast<uint32_t>(bytes.size());
  const size_t chunk = 2 + Coded::VarintSize64(number) + Coded::VarintSize32(n) + n;
  const size_t frame = 1 + Coded::VarintSize64(chunk) + chunk;
  std::array<uint8_t, 40> head;
  uint8_t* at = Coded::WriteLittleEndian32ToArray(static_cast<uint32_t>(frame), head.data());
  at = Coded::WriteTagToArray(0x2a, at);
  at = Coded::WriteVarint64ToArray(chunk, at);
  at = Coded::WriteTagToArray(0x08, at);
  at = Coded::WriteVarint64ToArray(number, at);
  at = Coded::WriteTagToArray(0x12, at);
  at = Coded::WriteVarint32ToArray(n, at);
  const std::lock_guard lock(sending_);
  out_.write(std::as_bytes(std::span(head.data(), at)));
  out_.write(bytes);
}

void Link::send_end(uint64_t chunks) {
  v1::MigrateFrame frame;
  frame.mutable_end()->set_chunks(chunks);
  frame.set_challenge(shown_);
  send(frame);
}

void Link::send_progress(uint64_t bytes) {
  v1::MigrateFrame frame;
  frame.set_progress(bytes);
  send(frame);
}

void Link::refuse(const std::string& sentence, bool unknown_job) {
  v1::MigrateFrame frame;
  frame.set_refusal(sentence);
  if (unknown_job) frame.set_unknown_job(true);
  send(frame);
}

std::optional<v1::MigrateFrame> Link::receive() {
  auto frame = plain_ ? read_plain(in_) : receive_encoded();
  if (frame) check_challenge(*frame);
  return frame;
}

std::optional<v1::MigrateFrame> Link::receive_encoded() {
  std::array<std::byte, 4> head;
  const size_t got = in_.read(head);
  if (got == 0) return std::nullopt;
  if (got < head.size()) fail(Errc::io, "the link broke in the middle of a message");
  if (std::all_of(head.begin(), head.end(), is_text))
    fail_with_text({reinterpret_cast<const char*>(head.data()), head.size()});
  size_t length = 0;
  for (unsigned i = 0; i < 4; ++i) length |= static_cast<size_t>(head[i]) << (8 * i);
  if (length > kMostFrameBytes)
    fail(Errc::io, "the other host does not speak ferry's protocol: a message of {} bytes", length);
  // Memory is had for what has arrived, not for what was announced.
  Bytes body;
  while (body.size() < length) {
    const size_t had = body.size();
    body.resize(std::min(length, had + kChunkBytes));
    if (in_.read(std::span(body).subspan(had)) < body.size() - had)
      fail(Errc::io, "the link broke in the middle of a message");
  }
  v1::MigrateFrame frame;
  if (!frame.ParseFromArray(body.data(), static_cast<int>(length)))
    fail(Errc::io, "the other host does not speak ferry's protocol");
  return frame;
}

void Link::check_challenge(const v1::MigrateFrame& frame) const {
  if (demanded_.empty() || !(frame.has_end() || frame.has_handover())) return;
  if (frame.challenge() != demanded_)
    fail(Errc::io,
         "what comes is recorded, or meant for another connection: it does not show this one's "
         "challenge");
}

// As much of it as its first line that says something. Four bytes of text are no length: they would
// be far too large for one.
void Link::fail_with_text(std::string text) {
  constexpr size_t kMost = 160;
  const auto line_begins = [&] { return std::min(text.find_first_not_of(" \t\r\n"), text.size()); };
  std::byte next{};
  while (text.size() < 4 * kMost && text.find('\n', line_begins()) == std::string::npos) {
    if (in_.read({&next, 1}) != 1) break;
    text.push_back(static_cast<char>(next));
  }
  text = text.substr(line_begins(), kMost);
  text = text.substr(0, text.find_first_of("\r\n"));
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  fail(Errc::io, "something else than ferry answers; it says: {}", text);
}

void LinkOutbox::send(HandoverMessage message) {
  if (!link_) return;
  try {
    link_->send(message);
  } catch (const Error&) {
  }
}

std::optional<HandoverMessage> handover_in(const v1::MigrateFrame& frame) {
  if (!frame.has_handover() || frame.handover() > 0xff) return std::nullopt;
  return handover_of(static_cast<uint8_t>(frame.handover()));
}

}  // namespace ferry
