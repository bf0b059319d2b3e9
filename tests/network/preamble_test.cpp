// The clear bytes that open a connection, and connections handed on.
#include "network/preamble.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error/error.h"
#include "network/pass_descriptor.h"

namespace ferry {
namespace {

TEST(Preamble, comes_back_as_it_was) {
  const Preamble sent{std::string("0123456789abcde\xff", 16), 0x01020304};
  const auto read = decode_preamble(encode(sent));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->job, sent.job);
  EXPECT_EQ(read->stream, sent.stream);
}

TEST(Preamble, with_any_other_bit_where_it_is_fixed_is_none) {
  const PreambleBytes sound = encode({std::string(16, 'j'), 1});
  for (size_t at = 0; at < kPreambleBytes; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      PreambleBytes bytes = sound;
      bytes[at] ^= std::byte{1} << bit;
      const bool fixed = at < 8 || at >= 28;
      EXPECT_EQ(decode_preamble(bytes).has_value(), !fixed) << at;
    }
  }
}

TEST(PassDescriptor, hands_on_an_open_file_and_a_number) {
  int over[2], told[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, over), 0);
  ASSERT_EQ(pipe(told), 0);
  pass_descriptor(over[0], told[1], 7);
  close(told[1]);
  {
    const PassedDescriptor passed = take_descriptor(over[1], 1000);
    EXPECT_EQ(passed.number, 7u);
    EXPECT_EQ(write(passed.descriptor.get(), "x", 1), 1);
  }
  char byte = 0;
  EXPECT_EQ(read(told[0], &byte, 1), 1);
  EXPECT_EQ(read(told[0], &byte, 1), 0);  // nobody has it any more
  EXPECT_THROW(take_descriptor(over[1], 10), Error);
  close(over[0]);
  EXPECT_THROW(take_descriptor(over[1], 10), Error);
  close(over[1]);
  close(told[0]);
}

}  // namespace
}  // namespace ferry
