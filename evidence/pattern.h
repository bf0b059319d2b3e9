// What is looked for in memory: bytes, or a regular expression over bytes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "io/byte_stream.h"

namespace re2 {
class RE2;
}

namespace ferry::evidence {

class Pattern {
 public:
  // Of at most kLongest bytes; none of them throws for what is in the text but Error(usage).
  static constexpr size_t kLongest = 4096;
  static Pattern bytes(Bytes wanted);
  static Pattern text(const std::string& text);   // as it is: UTF-8 as a rule
  static Pattern utf16(const std::string& text);  // from UTF-8; little-endian
  static Pattern hex(const std::string& digits);  // "de ad be ef", blanks or none
  // RE2's syntax over single bytes: a dot is any of them, ^ the beginning of a page.
  static Pattern regex(const std::string& expression);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  struct Match {
    size_t at = 0, bytes = 0;  // at least one
  };
  // The first match that begins at `from` or later. Safe on any thread.
  std::optional<Match> find(std::span<const std::byte> in, size_t from = 0) const;

  // Where it is does not depend on where the bytes around it begin and end: no ^, no \b.
  bool anywhere() const { return anywhere_; }
  // Bytes that a match may have.
  size_t longest() const { return regex_ ? kLongest : wanted_.size(); }
  // All places count, even if they overlap; of an expression those that do not.
  bool overlaps() const { return regex_ == nullptr; }

 private:
  Pattern();

  Bytes wanted_;
  bool anywhere_ = true;
  std::unique_ptr<re2::RE2> regex_;
};

}  // namespace ferry::evidence
