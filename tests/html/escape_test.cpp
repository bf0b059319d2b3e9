// No text is markup, whatever its bytes.
#include "html/escape.h"

#include <google/protobuf/stubs/common.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ferry::html {
namespace {

// Whether protobuf, which knows nothing of us, takes it for UTF-8.
bool is_utf8(const std::string& text) {
  return google::protobuf::internal::IsStructurallyValidUTF8(text.data(),
                                                             static_cast<int>(text.size()));
}

const std::string kNothing = "\xef\xbf\xbd";

TEST(Escape, makes_markup_readable) {
  EXPECT_EQ(escaped("a<b>&\"'c"), "a&lt;b&gt;&amp;&quot;&#39;c");
  EXPECT_EQ(escaped("<script>"), "&lt;script&gt;");
  EXPECT_EQ(escaped(""), "");
}

TEST(Escape, keeps_other_languages) {
  for (const std::string text : {"Grüße", "日本語", "עברית", "😀", "a\u0301"})
    EXPECT_EQ(escaped(text), text);
}

TEST(Escape, replaces_what_is_no_utf8_byte_by_byte) {
  EXPECT_EQ(escaped("\xff"), kNothing);
  EXPECT_EQ(escaped("a\xc3"), "a" + kNothing) << "cut off";
  EXPECT_EQ(escaped("\xc0\xaf"), kNothing + kNothing) << "could be shorter";
  EXPECT_EQ(escaped("\xe0\x80\xbc"), kNothing + kNothing + kNothing) << "a < in disguise";
  EXPECT_EQ(escaped("\xed\xa0\x80"), kNothing + kNothing + kNothing) << "half of a pair";
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), kNothing + kNothing + kNothing + kNothing) << "too large";
  EXPECT_EQ(escaped("\xc3<"), kNothing + "&lt;") << "does not swallow what follows";
}

TEST(Escape, replaces_what_steers_the_display) {
  EXPECT_EQ(escaped(std::string("\0", 1)), kNothing);
  EXPECT_EQ(escaped("\x1b[2J"), kNothing + "[2J");
  EXPECT_EQ(escaped("a\u202Eb"), "a" + kNothing + "b") << "writes backwards";
  EXPECT_EQ(escaped("a\u2066b"), "a" + kNothing + "b");
  EXPECT_EQ(escaped("\uFEFF"), kNothing);
  EXPECT_EQ(escaped("\x7f\u0085"), kNothing + kNothing);
  EXPECT_EQ(escaped("a\tb\nc"), "a b c");
}

TEST(Escape, ends_where_it_becomes_too_long) {
  EXPECT_EQ(escaped("abc", 3), "abc");
  EXPECT_EQ(escaped("äöü<", 2), "äö…");
  EXPECT_LE(escaped(std::string(1 << 20, '<')).size(), 5 * kLongestText);
}

RC_GTEST_PROP(Escape, leaves_no_markup_and_only_utf8, (const std::string& text)) {
  const std::string safe = escaped(text);
  RC_ASSERT(is_utf8(safe));
  RC_ASSERT(safe.find_first_of("<>\"'") == std::string::npos);
  for (const char c : safe) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20);
}

TEST(Escape, groups_digits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(~uint64_t{0}), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace ferry::html
