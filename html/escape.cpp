// Text in a page, wherever it comes from.
#include "html/escape.h"

#include <fmt/format.h>

namespace ferry::html {
namespace {

constexpr char32_t kInvalid = 0xfffd;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";     // U+2026

struct Character {
  char32_t code = kInvalid;
  size_t bytes = 1;
};

// One character of UTF-8:
//
//   0xxxxxxx
//   110xxxxx 10xxxxxx
//   1110xxxx 10xxxxxx 10xxxxxx
//   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx
//
// A byte that begins none, or one that could be shorter, is one invalid character.
Character first_of(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return {};
  char32_t code = byte(0) & (0x7f >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[bytes] || code > 0x10ffff || surrogate) return {};
  return {code, bytes};
}

bool between(char32_t code, char32_t first, char32_t last) {
  return code >= first && code <= last;
}

bool harmless(char32_t code) {
  const bool control = code < 0x20 || between(code, 0x7f, 0x9f) || between(code, 0x2028, 0x2029);
  const bool direction = code == 0x61c || between(code, 0x200e, 0x200f) ||
                         between(code, 0x202a, 0x202e) || between(code, 0x2066, 0x2069);
  const bool no_character = (code & 0xfffe) == 0xfffe || between(code, 0xfdd0, 0xfdef);
  return !control && !direction && !no_character && code != 0xfeff && code != kInvalid;
}

void append(std::string& to, const Character& character, std::string_view bytes) {
  switch (character.code) {
    case '&':
      to += "&amp;";
      break;
    case '<':
      to += "&lt;";
      break;
    case '>':
      to += "&gt;";
      break;
    case '"':
      to += "&quot;";
      break;
    case '\'':
      to += "&#39;";
      break;
    case '\t':
    case '\n':
      to += ' ';
      break;
    default:
      to += harmless(character.code) ? bytes : kReplacement;
  }
}

}  // namespace

std::string escaped(std::string_view text, size_t most) {
  std::string out;
  for (size_t n = 0; !text.empty(); ++n) {
    if (n == most) return out + std::string(kEllipsis);
    const Character character = first_of(text);
    append(out, character, text.substr(0, character.bytes));
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string grouped(uint64_t number) {
  const std::string digits = fmt::format("{}", number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace ferry::html
