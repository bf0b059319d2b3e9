// What is looked for in memory.
#include "evidence/pattern.h"

#include <re2/re2.h>

#include <cstring>

#include "error/error.h"
#include "text/printable.h"

namespace ferry::evidence {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Of a text that is UTF-8, the character at `at`, which moves on.
uint32_t next_character(const std::string& text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t code = bytes == 1 ? lead : lead & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) code = code << 6 | (byte(at + i) & 0x3f);
  at += bytes;
  return code;
}

void append_u16(Bytes& to, uint32_t unit) {
  to.push_back(static_cast<std::byte>(unit));
  to.push_back(static_cast<std::byte>(unit >> 8));
}

}  // namespace

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Pattern Pattern::bytes(Bytes wanted) {
  if (wanted.empty()) fail(Errc::usage, "an empty pattern is everywhere");
  if (wanted.size() > kLongest)
    fail(Errc::usage, "the pattern has {} bytes, more than {}", wanted.size(), kLongest);
  Pattern pattern;
  pattern.wanted_ = std::move(wanted);
  return pattern;
}

Pattern Pattern::text(const std::string& text) {
  const auto all = std::as_bytes(std::span(text));
  return bytes(Bytes(all.begin(), all.end()));
}

Pattern Pattern::utf16(const std::string& text) {
  if (!is_utf8(text)) fail(Errc::usage, "the pattern is not UTF-8, so it has no UTF-16");
  Bytes units;
  for (size_t at = 0; at < text.size();) {
    const uint32_t code = next_character(text, at);
    if (code >= 0x10000) append_u16(units, 0xd800 + ((code - 0x10000) >> 10));
    append_u16(units, code >= 0x10000 ? 0xdc00 + ((code - 0x10000) & 0x3ff) : code);
  }
  return bytes(std::move(units));
}

Pattern Pattern::hex(const std::string& digits) {
  Bytes wanted;
  int high = -1;
  for (const char c : digits) {
    if (c == ' ' && high < 0) continue;
    const int digit = hex_digit(c);
    if (digit < 0)
      fail(Errc::usage, "the pattern is no row of bytes in hex, such as \"de ad be ef\"");
    if (high >= 0) wanted.push_back(static_cast<std::byte>(high << 4 | digit));
    high = high < 0 ? digit : -1;
  }
  if (high >= 0) fail(Errc::usage, "the pattern has half a byte at its end");
  return bytes(std::move(wanted));
}

Pattern Pattern::regex(const std::string& expression) {
  if (expression.empty()) fail(Errc::usage, "an empty pattern is everywhere");
  if (expression.size() > kLongest)
    fail(Errc::usage, "the pattern has {} bytes, more than {}", expression.size(), kLongest);
  re2::RE2::Options options(re2::RE2::Latin1);
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(8 << 20);
  Pattern pattern;
  // Rather once too often: [^x] is none.
  for (const char* anchor : {"^", "$", "\\b", "\\B", "\\A", "\\z"})
    if (expression.find(anchor) != std::string::npos) pattern.anywhere_ = false;
  pattern.regex_ = std::make_unique<re2::RE2>(expression, options);
  if (!pattern.regex_->ok())
    fail(Errc::usage, "the pattern is no regular expression: {}", pattern.regex_->error());
  return pattern;
}

std::optional<Pattern::Match> Pattern::find(std::span<const std::byte> in, size_t from) const {
  if (from > in.size()) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(in.data());
  if (!regex_) {
    const auto* at = static_cast<const char*>(
        memmem(text + from, in.size() - from, wanted_.data(), wanted_.size()));
    if (at == nullptr) return std::nullopt;
    return Match{static_cast<size_t>(at - text), wanted_.size()};
  }
  re2::StringPiece found;
  const re2::StringPiece all(text, in.size());
  while (regex_->Match(all, from, all.size(), re2::RE2::UNANCHORED, &found, 1)) {
    const auto at = static_cast<size_t>(found.data() - text);
    if (!found.empty()) return Match{at, found.size()};
    if ((from = at + 1) > all.size()) break;
  }
  return std::nullopt;
}

}  // namespace ferry::evidence
