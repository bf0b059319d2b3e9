// A command that a sentence names can be pasted into a shell as it stands.
#include <gtest/gtest.h>

#include "text/shell_word.h"

namespace ferry {
namespace {

TEST(ShellWord, leaves_plain_words_as_they_are) {
  for (const char* word : {"web1", "/var/lib/xen/save/web-1.ferry", "w\u00e4b1", "a=b,c:d@e%f+g"})
    EXPECT_EQ(shell_word(word), word);
}

TEST(ShellWord, quotes_whatever_a_shell_would_read_otherwise) {
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("my dir/im $x"), "'my dir/im $x'");
  EXPECT_EQ(shell_word("a'b"), "'a'\\''b'");
  EXPECT_EQ(shell_word("~"), "'~'");
  EXPECT_EQ(shell_word("$(rm -r /)\n"), "'$(rm -r /)\n'");
}

}  // namespace
}  // namespace ferry
