// Debian's own programs for tests.
#pragma once

#include <string>

namespace ferry::sim {

// The folder usr/lib/xen-RELEASE of Debian's xen-utils; fetched on first use. Empty when it cannot
// be had.
const std::string& stock_folder();

// What verify-stream-v2 says of a libxc stream: empty when it is sound.
std::string verify_stream(const std::string& path);

}  // namespace ferry::sim
