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

void read_whole(ByteSource& in, std::span<std::byte> into) {
  if (in.read(into) < into.size()) fail(Errc::io, "the link broke in the middle of a message");
}

// What stands before the bytes of a chunk, as send_chunk() writes it.
struct ChunkHead {
  uint64_t number = 0;
  size_t bytes = 0;  // of the head
  size_t data = 0;   // and behind it, to the end of the frame
};
constexpr size_t kMostChunkHead = 3 + 2 * 5 + 10;

// Nothing for a frame of another kind, or one that somebody has put together in another way.
std::optional<ChunkHead> chunk_head(std::span<const std::byte> begin, size_t frame_bytes) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(begin.data()),
                                            static_cast<int>(begin.size()));
  uint32_t chunk = 0, data = 0;
  ChunkHead head;
  if (in.ReadTag() != 0x2a || !in.ReadVarint32(&chunk)) return std::nullopt;
  if (static_cast<size_t>(in.CurrentPosition()) + chunk != frame_bytes) return std::nullopt;
  if (in.ReadTag() != 0x08 || !in.ReadVarint64(&head.number)) return std::nullopt;
  if (in.ReadTag() != 0x12 || !in.ReadVarint32(&data)) return std::nullopt;
  head.bytes = static_cast<size_t>(in.CurrentPosition());
  head.data = data;
  if (data > kChunkBytes || head.bytes + data != frame_bytes) return std::nullopt;
  return head;
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

std::optional<v1::MigrateFrame> Link::receive(ImageChunk& chunk) {
  auto frame = plain_ ? read_plain(in_, chunk) : receive_encoded(chunk);
  if (frame) check_challenge(*frame);
  return frame;
}

std::optional<v1::MigrateFrame> Link::receive() {
  ImageChunk chunk;
  auto frame = receive(chunk);
  if (frame && frame->has_chunk())
    frame->mutable_chunk()->set_data(chunk.bytes().data(), chunk.size);
  return frame;
}

std::optional<v1::MigrateFrame> Link::receive_encoded(ImageChunk& chunk) {
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
  Bytes body(std::min(length, kMostChunkHead));
  read_whole(in_, body);
  v1::MigrateFrame frame;
  if (const auto chunk_begins = chunk_head(body, length)) {
    const std::span<std::byte> room = chunk.room_for(chunk_begins->data);
    const size_t here = body.size() - chunk_begins->bytes;
    std::copy_n(body.begin() + static_cast<ptrdiff_t>(chunk_begins->bytes), here, room.begin());
    read_whole(in_, room.subspan(here));
    frame.mutable_chunk()->set_number(chunk_begins->number);
    return frame;
  }
  // Memory is had for what has arrived, not for what was announced.
  while (body.size() < length) {
    const size_t had = body.size();
    body.resize(std::min(length, had + kChunkBytes));
    read_whole(in_, std::span(body).subspan(had));
  }
  if (!frame.ParseFromArray(body.data(), static_cast<int>(length)))
    fail(Errc::io, "the other host does not speak ferry's protocol");
  if (frame.has_chunk()) {
    const std::string data = std::move(*frame.mutable_chunk()->mutable_data());
    if (data.size() > kChunkBytes)
      fail(Errc::io, "the other host sent a piece of {} bytes", data.size());
    std::copy_n(std::as_bytes(std::span(data)).data(), data.size(),
                chunk.room_for(data.size()).data());
    frame.mutable_chunk()->clear_data();
  }
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
