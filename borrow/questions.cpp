// What somebody who reads a running guest asks of who has it.
#include "borrow/questions.h"

#include <algorithm>
#include <string>

namespace ferry::borrow {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr size_t kFrame = 2 * kNumberBytes;  // of questions, and before answers
constexpr size_t kLongestSentence = 4096;
constexpr auto kLastCode = static_cast<uint64_t>(Errc::needs_operator);

void send(ByteSink& sink, uint64_t status, std::span<const std::byte> what) {
  Bytes frame;
  put_number(frame, status);
  put_number(frame, what.size());
  sink.write(frame);
  sink.write(what);
}

[[noreturn]] void senseless() {
  fail(Errc::internal, "what reads the guest's memory gives answers that make no sense");
}

[[noreturn]] void gone() {
  fail(Errc::io, "what reads the guest's memory has ended");
}

// Byte by byte, up to what it can be at most: a peer that says something else, such as a greeting,
// may say fewer bytes than a number has, and stay there.
uint64_t read_number(ByteSource& source, uint64_t most) {
  uint64_t number = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) {
    std::byte byte;
    if (source.read({&byte, 1}) != 1) gone();
    number |= std::to_integer<uint64_t>(byte) << 8 * i;
    if (number > most) senseless();
  }
  return number;
}

}  // namespace

void put_number(Bytes& to, uint64_t number) {
  for (size_t i = 0; i < kNumberBytes; ++i) to.push_back(static_cast<std::byte>(number >> 8 * i));
}

uint64_t take_number(std::span<const std::byte>& from) {
  if (from.size() < kNumberBytes) senseless();
  uint64_t number = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) number |= static_cast<uint64_t>(from[i]) << 8 * i;
  from = from.subspan(kNumberBytes);
  return number;
}

void send_question(ByteSink& sink, const Question& question) {
  Bytes bytes;
  put_number(bytes, static_cast<uint64_t>(question.what));
  put_number(bytes, question.number);
  sink.write(bytes);
}

bool next_question(ByteSource& source, Question& question) {
  std::array<std::byte, kFrame> bytes;
  const size_t read = source.read(bytes);
  if (read == 0) return false;
  if (read != bytes.size()) fail(Errc::io, "a question about the guest's memory ended early");
  std::span<const std::byte> rest(bytes);
  question.what = static_cast<What>(take_number(rest));
  question.number = take_number(rest);
  return true;
}

void send_answer(ByteSink& sink, std::span<const std::byte> answer) {
  send(sink, 0, answer);
}

void send_error(ByteSink& sink, const Error& error) {
  const std::string sentence(std::string_view(error.what()).substr(0, kLongestSentence));
  send(sink, 1 + static_cast<uint64_t>(error.code()), std::as_bytes(std::span(sentence)));
}

Bytes take_answer(ByteSource& source) {
  const uint64_t status = read_number(source, 1 + kLastCode),
                 bytes = read_number(source, kMostAnswer);
  Bytes answer(bytes);
  if (source.read(answer) != answer.size()) gone();
  if (status == 0) return answer;
  const auto* text = reinterpret_cast<const char*>(answer.data());
  throw Error(static_cast<Errc>(status - 1), std::string(text, answer.size()));
}

}  // namespace ferry::borrow
