// How people name hosts.
#include "network/address.h"

#include <gtest/gtest.h>

#include "error/error.h"

namespace ferry {
namespace {

TEST(Address, is_read_in_every_form_that_people_use) {
  const auto reads = [](const char* text, const char* host, unsigned port) {
    const Address address = parse_address(text);
    EXPECT_EQ(address.host, host) << text;
    EXPECT_EQ(address.port, port) << text;
  };
  reads("host2", "host2", kDefaultPort);
  reads("host2.example:9000", "host2.example", 9000);
  reads("192.0.2.7:1", "192.0.2.7", 1);
  reads("2001:db8::7", "2001:db8::7", kDefaultPort);
  reads("[2001:db8::7]", "2001:db8::7", kDefaultPort);
  reads("[2001:db8::7]:65535", "2001:db8::7", 65535);
  reads(":8003", "", 8003);
}

TEST(Address, comes_back_as_it_was_said) {
  for (const char* text : {"host2:8002", "192.0.2.7:1", "[2001:db8::7]:8002", ":8003"})
    EXPECT_EQ(parse_address(text).text(), text);
}

TEST(Address, that_makes_no_sense_is_refused) {
  for (const char* text : {"", ":", "host:", "host:0", "host:65536", "host:80x", "host:-1", "[::1",
                           "[]:80", "[::1]80"})
    EXPECT_THROW(parse_address(text), Error) << text;
}

}  // namespace
}  // namespace ferry
