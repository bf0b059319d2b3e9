// A range of IP addresses.
#include "network/ip_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "error/error.h"

namespace ferry {
namespace {

using Bytes16 = std::array<unsigned char, 16>;

size_t bytes_of(int family) {
  return family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
}

// Whether the first so many bits are the same.
bool agree(const Bytes16& a, const Bytes16& b, unsigned bits) {
  const unsigned whole = bits / 8, rest = bits % 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

// The address with nothing beyond its first so many bits.
Bytes16 cut_to(const Bytes16& address, unsigned bits) {
  Bytes16 cut = {};
  for (unsigned bit = 0; bit < bits; ++bit)
    cut[bit / 8] = static_cast<unsigned char>(cut[bit / 8] | (address[bit / 8] & 0x80 >> bit % 8));
  return cut;
}

}  // namespace

IpNetwork IpNetwork::parse(std::string_view text, std::string_view place) {
  IpNetwork network;
  network.text_ = text;
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string address(text.substr(0, slash));
  network.family_ = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const auto most = static_cast<unsigned>(8 * bytes_of(network.family_));
  network.bits_ = most;
  bool sound = inet_pton(network.family_, address.c_str(), network.address_.data()) == 1;
  if (slash < text.size()) {
    const char* end = text.data() + text.size();
    const auto [rest, problem] = std::from_chars(text.data() + slash + 1, end, network.bits_);
    sound = sound && problem == std::errc() && rest == end && network.bits_ <= most;
  }
  if (!sound || network.address_ != cut_to(network.address_, network.bits_))
    fail(Errc::usage,
         "{} is \"{}\", but must be a network such as 192.0.2.0/24 or 2001:db8::/64, without bits "
         "of a host",
         place, text);
  return network;
}

bool IpNetwork::contains(const sockaddr* address) const {
  if (address->sa_family != family_) return false;
  Bytes16 bytes = {};
  if (family_ == AF_INET)
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr,
                sizeof(in_addr));
  else
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                sizeof(in6_addr));
  return agree(bytes, address_, bits_);
}

}  // namespace ferry
