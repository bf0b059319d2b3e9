// How people name the other host.
#include "network/address.h"

#include <algorithm>
#include <charconv>

#include "error/error.h"

namespace ferry {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  fail(Errc::usage, "\"{}\" is no address: HOST, HOST:PORT or [IPv6]:PORT", text);
}

}  // namespace

std::string Address::text() const {
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

Address parse_address(std::string_view text) {
  Address address;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) refuse(text);
    address.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (address.host.empty()) refuse(text);
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {
    address.host = rest;  // IPv6 without brackets cannot have a port
    return address;
  } else {
    const size_t colon = std::min(rest.find(':'), rest.size());
    address.host = rest.substr(0, colon);
    rest.remove_prefix(colon);
  }
  if (rest.empty()) {
    if (address.host.empty()) refuse(text);
    return address;
  }
  if (rest.front() != ':') refuse(text);
  rest.remove_prefix(1);
  const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), address.port);
  if (problem != std::errc() || end != rest.data() + rest.size() || address.port == 0) refuse(text);
  return address;
}

}  // namespace ferry
