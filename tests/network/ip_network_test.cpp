// Ranges of addresses, against the addresses of a small one counted one by one.
#include "network/ip_network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

#include <fmt/format.h>

#include "error/error.h"

namespace ferry {
namespace {

bool contains(const IpNetwork& network, const std::string& address) {
  sockaddr_storage storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1)
    storage.ss_family = AF_INET;
  else if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1)
    storage.ss_family = AF_INET6;
  else
    ADD_FAILURE() << address;
  return network.contains(reinterpret_cast<const sockaddr*>(&storage));
}

TEST(IpNetwork, holds_the_addresses_that_begin_with_its_bits) {
  for (unsigned bits = 24; bits <= 32; ++bits) {
    const unsigned first = 160 & 0xffu << (32 - bits);
    const auto network = IpNetwork::parse(fmt::format("192.0.2.{}/{}", first, bits), "here");
    for (unsigned last = 0; last < 256; ++last)
      EXPECT_EQ(contains(network, fmt::format("192.0.2.{}", last)),
                last >= first && last - first < 1u << (32 - bits))
          << network.text() << ", " << last;
    EXPECT_FALSE(contains(network, fmt::format("192.0.3.{}", first)));
  }
}

TEST(IpNetwork, is_of_one_family) {
  const auto v6 = IpNetwork::parse("2001:db8:0:fffe::/63", "here");
  EXPECT_TRUE(contains(v6, "2001:db8:0:ffff::7"));
  EXPECT_FALSE(contains(v6, "2001:db8:1:fffe::7"));
  EXPECT_FALSE(contains(v6, "32.1.13.184"));  // the same first bytes
  EXPECT_FALSE(contains(IpNetwork::parse("32.1.13.0/24", "here"), "2001:db8::"));
  EXPECT_TRUE(contains(IpNetwork::parse("0.0.0.0/0", "here"), "192.0.2.1"));
  EXPECT_TRUE(contains(IpNetwork::parse("192.0.2.1", "here"), "192.0.2.1"));
  EXPECT_FALSE(contains(IpNetwork::parse("192.0.2.1", "here"), "192.0.2.2"));
}

TEST(IpNetwork, refuses_what_is_none_and_says_where_it_was_given) {
  for (const char* text : {"", "net", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24",
                           "192.0.2.0/24x", "192.0.2.1/24", "2001:db8::1/64", "2001:db8::/129"})
    try {
      IpNetwork::parse(text, "migration_network");
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::usage);
      EXPECT_TRUE(std::string_view(e.what()).starts_with("migration_network is \"")) << e.what();
    }
}

}  // namespace
}  // namespace ferry
