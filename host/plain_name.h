// What a host's name in a certificate may hold, and its address: nothing that means something to a
// terminal, or that stands between names where they are listed. Asked on both sides of every
// process that says such a name.
#pragma once

#include <algorithm>
#include <string>

namespace ferry::host {

inline bool is_plain_name(const std::string& name) {
  constexpr size_t kLongest = 255;
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace ferry::host
