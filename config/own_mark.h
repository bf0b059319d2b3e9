// The mark of a configuration that this host's own toolstack gave: whoever restores it here need
// not vouch for it again.
//
// An HMAC-SHA256 over the text, with a key that never leaves the host: 32 random bytes in
// config.key of state_dir, mode 0600, made by the first save. It says that this host once ran a
// guest of this very configuration; it says nothing of the memory beside it.
#pragma once

#include <string>

namespace ferry {

// 32 bytes; makes the key if there is none. Throws Error(io).
std::string own_mark(const std::string& config);

// Whether the mark is this host's. False where there is no key that only its owner can read.
bool is_own_mark(const std::string& mark, const std::string& config);

}  // namespace ferry
