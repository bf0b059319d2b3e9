// What comes from an image, a guest or a peer cannot steer the terminal it is shown on.
#include <gtest/gtest.h>

#include "error/run_main.h"
#include "text/printable.h"

namespace ferry {
namespace {

TEST(Printable, shows_what_would_steer_a_terminal) {
  EXPECT_EQ(printable("web1"), "web1");
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable(std::string_view("\0\t\n\r\x7f", 5)), "\\x00\\x09\\x0a\\x0d\\x7f");
  EXPECT_EQ(printable("\u009b2J"), "\\u009b2J") << "the same as ESC [";
  EXPECT_EQ(printable("\u202egnp.exe\u2066"), "\\u202egnp.exe\\u2066");
  EXPECT_EQ(printable("a\u2028b"), "a\\u2028b");
}

TEST(Printable, leaves_letters_of_all_languages_alone) {
  for (const char* text : {"größer", "сервер", "サーバー", "𝒲", "\u00a0", "\uffff"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_TRUE(is_utf8(text));
  }
}

TEST(Printable, shows_each_byte_that_is_no_utf8) {
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(printable("\xe9t\xc3\xa9"), "\\xe9t\u00e9");
  // Longer than need be, a surrogate, beyond the last character, cut off.
  for (const char* text : {"\xc0\xaf", "\xe0\x80\x9b", "\xf0\x80\x80\x9b", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xe2\x80", "\x80", "\xff"}) {
    EXPECT_FALSE(is_utf8(text));
    for (const char c : printable(text)) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << text;
  }
}

TEST(RunMain, says_what_went_wrong_in_one_printable_line) {
  testing::internal::CaptureStderr();
  const int code = run_main("ferry", []() -> int {
    fail(Errc::bad_image, "no {}", "\x1b[1A\x1b[2K\nevil.ferry: clean");
  });
  EXPECT_EQ(code, 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "ferry: no \\x1b[1A\\x1b[2K\\x0aevil.ferry: clean\n");
}

}  // namespace
}  // namespace ferry
