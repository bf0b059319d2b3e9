// Frames that came from another host in plain form.
#include "migrate/plain_frame.h"

#include <algorithm>
#include <cstring>

#include "error/error.h"
#include "migrate/job_journal.h"
#include "migrate/link.h"
#include "text/printable.h"

namespace ferry {
namespace {

using What = v1::MigrateFrame::WhatCase;

constexpr uint32_t kOther = 0x100, kBroken = 0x101;
constexpr size_t kMostSentenceBytes = 1024;  // longer ones are cut
constexpr size_t kMostJoinBytes = 256;
constexpr uint64_t kMostTakenBack = 64;  // as many as a source names

struct Head {
  uint32_t what = 0;
  uint32_t bytes = 0;
  uint64_t number = 0;
  char challenge[kSecretBytes] = {};
};

[[noreturn]] void fail_senseless() {
  fail(Errc::io, "what decodes the other host's messages says what makes no sense");
}

size_t most_bytes(uint32_t what) {
  switch (what) {
    case What::kHello:
    case What::kQuestion:
      return kMostFrameBytes;
    case What::kChunk:
      return kChunkBytes;
    case What::kJoin:
      return kMostJoinBytes;
    case kBroken:
      return kMostSentenceBytes;
    default:
      return 0;
  }
}

class Body {
 public:
  void number(uint64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(const std::string& text) {
    number(text.size());
    text_ += text;
  }
  void taken_back(const google::protobuf::RepeatedPtrField<v1::MigrateTakenBack>& all) {
    number(static_cast<uint64_t>(all.size()));
    for (const v1::MigrateTakenBack& one : all) {
      text(one.job());
      text(one.secret());
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string body_of(const v1::MigrateHello& hello) {
  Body body;
  body.number(hello.version());
  body.number(hello.settle());
  body.number(hello.xl_flags());
  body.number(hello.streams());
  body.number(hello.wants_progress());
  body.number(hello.paused());
  body.text(hello.job());
  body.text(hello.secret());
  body.text(hello.uuid());
  body.text(hello.name());
  body.text(hello.libxl_json());
  body.taken_back(hello.taken_back());
  return body.take();
}

std::string body_of(const v1::MigrateQuestion& question) {
  Body body;
  body.number(question.version());
  body.number(question.guest_bytes());
  body.number(question.xen_major());
  body.number(question.xen_minor());
  body.number(question.tsc_mode());
  body.number(question.tsc_khz());
  body.text(question.name());
  body.text(question.uuid());
  body.text(question.libxl_json());
  body.text(question.cpuid_leaves());
  body.text(question.msrs());
  body.taken_back(question.taken_back());
  return body.take();
}

std::string body_of(const v1::MigrateJoin& join) {
  Body body;
  body.text(join.job());
  body.text(join.secret());
  return body.take();
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  uint64_t number() {
    uint64_t value = 0;
    const std::string_view bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  uint32_t small_number() {
    const uint64_t value = number();
    if (value > UINT32_MAX) fail_senseless();
    return static_cast<uint32_t>(value);
  }
  bool flag() {
    const uint64_t value = number();
    if (value > 1) fail_senseless();
    return value == 1;
  }
  std::string bytes() { return std::string(take(number())); }
  std::string text() {
    std::string text = bytes();
    if (!is_utf8(text)) fail_senseless();
    return text;
  }
  void taken_back(google::protobuf::RepeatedPtrField<v1::MigrateTakenBack>& all) {
    const uint64_t count = number();
    if (count > kMostTakenBack) fail_senseless();
    for (uint64_t i = 0; i < count; ++i) {
      v1::MigrateTakenBack& one = *all.Add();
      one.set_job(bytes());
      one.set_secret(bytes());
    }
  }
  void end() const {
    if (!rest_.empty()) fail_senseless();
  }

 private:
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) fail_senseless();
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest_;
};

void read_hello(Parser from, v1::MigrateHello& hello) {
  hello.set_version(from.small_number());
  hello.set_settle(from.flag());
  hello.set_xl_flags(from.small_number());
  hello.set_streams(from.small_number());
  hello.set_wants_progress(from.flag());
  hello.set_paused(from.flag());
  hello.set_job(from.bytes());
  hello.set_secret(from.bytes());
  hello.set_uuid(from.bytes());
  hello.set_name(from.text());
  hello.set_libxl_json(from.text());
  from.taken_back(*hello.mutable_taken_back());
  from.end();
}

void read_question(Parser from, v1::MigrateQuestion& question) {
  question.set_version(from.small_number());
  question.set_guest_bytes(from.number());
  question.set_xen_major(from.small_number());
  question.set_xen_minor(from.small_number());
  question.set_tsc_mode(from.small_number());
  question.set_tsc_khz(from.small_number());
  question.set_name(from.text());
  question.set_uuid(from.bytes());
  question.set_libxl_json(from.text());
  question.set_cpuid_leaves(from.bytes());
  question.set_msrs(from.bytes());
  from.taken_back(*question.mutable_taken_back());
  from.end();
}

void read_join(Parser from, uint64_t stream, v1::MigrateJoin& join) {
  if (stream > UINT32_MAX) fail_senseless();
  join.set_stream(static_cast<uint32_t>(stream));
  join.set_job(from.bytes());
  join.set_secret(from.bytes());
  from.end();
}

// Memory is had for what has arrived, not for what was announced.
std::string read_body(ByteSource& from, size_t bytes) {
  std::string body;
  while (body.size() < bytes) {
    const size_t had = body.size();
    body.resize(std::min(bytes, had + kChunkBytes));
    if (from.read(std::as_writable_bytes(std::span(body).subspan(had))) < body.size() - had)
      fail(Errc::io, "the link broke in the middle of a message");
  }
  return body;
}

void read_chunk(ByteSource& from, size_t bytes, ImageChunk& chunk) {
  if (from.read(chunk.room_for(bytes)) < bytes)
    fail(Errc::io, "the link broke in the middle of a message");
}

void write_message(Head head, std::string_view body, ByteSink& to) {
  head.bytes = static_cast<uint32_t>(body.size());
  to.write(std::as_bytes(std::span(&head, 1)));
  to.write(std::as_bytes(std::span(body)));
}

}  // namespace

void write_plain(const v1::MigrateFrame& frame, const ImageChunk& chunk, ByteSink& to) {
  if (!frame.has_chunk()) return write_plain(frame, to);
  Head head;
  head.what = What::kChunk;
  head.number = frame.chunk().number();
  const auto bytes = chunk.bytes();
  write_message(head, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, to);
}

void write_plain(const v1::MigrateFrame& frame, ByteSink& to) {
  Head head;
  head.what = static_cast<uint32_t>(frame.what_case());
  if (frame.challenge().size() == sizeof head.challenge)
    std::copy_n(frame.challenge().begin(), sizeof head.challenge, head.challenge);
  switch (frame.what_case()) {
    case What::kHello:
      return write_message(head, body_of(frame.hello()), to);
    case What::kQuestion:
      return write_message(head, body_of(frame.question()), to);
    case What::kJoin:
      head.number = frame.join().stream();
      return write_message(head, body_of(frame.join()), to);
    case What::kChunk:
      head.number = frame.chunk().number();
      return write_message(head, frame.chunk().data(), to);
    case What::kEnd:
      head.number = frame.end().chunks();
      return write_message(head, {}, to);
    case What::kHandover:
      head.number = frame.handover();
      return write_message(head, {}, to);
    default:
      head.what = kOther;
      return write_message(head, {}, to);
  }
}

void write_broken(std::string_view sentence, ByteSink& to) {
  Head head;
  head.what = kBroken;
  write_message(head, sentence.substr(0, kMostSentenceBytes), to);
}

std::optional<v1::MigrateFrame> read_plain(ByteSource& from, ImageChunk& chunk) {
  Head head;
  const size_t got = from.read(std::as_writable_bytes(std::span(&head, 1)));
  if (got == 0) return std::nullopt;
  if (got < sizeof head) fail(Errc::io, "the link broke in the middle of a message");
  if (head.bytes > most_bytes(head.what)) fail_senseless();
  std::string body;
  if (head.what == What::kChunk)
    read_chunk(from, head.bytes, chunk);
  else
    body = read_body(from, head.bytes);
  v1::MigrateFrame frame;
  frame.set_challenge(head.challenge, sizeof head.challenge);
  switch (head.what) {
    case What::kHello:
      read_hello(Parser(body), *frame.mutable_hello());
      break;
    case What::kQuestion:
      read_question(Parser(body), *frame.mutable_question());
      break;
    case What::kJoin:
      read_join(Parser(body), head.number, *frame.mutable_join());
      break;
    case What::kChunk:
      frame.mutable_chunk()->set_number(head.number);
      break;
    case What::kEnd:
      frame.mutable_end()->set_chunks(head.number);
      break;
    case What::kHandover:
      if (head.number > UINT32_MAX) fail_senseless();
      frame.set_handover(static_cast<uint32_t>(head.number));
      break;
    case kOther:
      break;
    case kBroken:
      fail(Errc::io, "{}", body);
    default:
      fail_senseless();
  }
  return frame;
}

}  // namespace ferry
