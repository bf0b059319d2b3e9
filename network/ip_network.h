// A range of IP addresses, as people write it: 192.0.2.0/24, 2001:db8::/64.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace ferry {

class IpNetwork {
 public:
  // ADDRESS/BITS; an address alone is a network of its own. Throws Error(usage), naming the place
  // where it was given, also for an address with bits beyond BITS.
  static IpNetwork parse(std::string_view text, std::string_view place);

  // An IPv4 or IPv6 address; of another family none is in it.
  bool contains(const sockaddr* address) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int family_ = AF_INET;
  unsigned bits_ = 0;
  std::array<unsigned char, 16> address_ = {};  // the first 4 of IPv4
};

}  // namespace ferry
