// How people name the other host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferry {

// Where ferry receive listens unless told otherwise. Xen's old relocation port, which firewalls of
// Xen hosts may know.
inline constexpr uint16_t kDefaultPort = 8002;

struct Address {
  std::string host;  // a name, or an IP address without brackets; empty: all of this host's
  uint16_t port = kDefaultPort;

  // As people say it, with the port.
  std::string text() const;
};

// HOST, HOST:PORT, IPv6, [IPv6], [IPv6]:PORT, :PORT. Throws Error(usage).
Address parse_address(std::string_view text);

}  // namespace ferry
