// The clear bytes that open a connection, and connections handed on.
#include "network/preamble.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error/error.h"
#include "network/pass_descriptor.h"

namespace ferry {
namespace {

TEST(Preamble, is_known_whatever_its_random_bytes_are) {
  EXPECT_TRUE(is_preamble(make_preamble()));
  EXPECT_NE(make_preamble(), make_preamble());
}

TEST(Preamble, with_another_bit_where_it_is_fixed_is_none) {
  for (size_t at = 0; at < 8; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      PreambleBytes bytes = make_preamble();
      bytes[at] ^= std::byte{1} << bit;
      EXPECT_FALSE(is_preamble(bytes)) << at;
    }
  }
}

TEST(PassMessage, hands_on_a_text_and_an_open_file) {
  int over[2], told[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, over), 0);
  ASSERT_EQ(pipe(told), 0);
  EXPECT_FALSE(take_message(over[1], 0));
  pass_message(over[0], "here", told[1]);
  pass_message(over[0], "nothing");
  close(told[1]);
  {
    const auto passed = take_message(over[1], 1000);
    ASSERT_TRUE(passed);
    EXPECT_EQ(passed->text, "here");
    EXPECT_EQ(write(passed->descriptor.get(), "x", 1), 1);
  }
  char byte = 0;
  EXPECT_EQ(read(told[0], &byte, 1), 1);
  EXPECT_EQ(read(told[0], &byte, 1), 0);  // nobody has it any more
  EXPECT_FALSE(take_message(over[1], 1000)->descriptor);
  close(over[0]);
  EXPECT_THROW(take_message(over[1], 10), Error);
  close(over[1]);
  close(told[0]);
}

}  // namespace
}  // namespace ferry
