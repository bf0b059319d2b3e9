// What a file that is no image of ours seems to be. Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ferry {

// Completes the sentence "this is …": "a libxc v3 stream, which stock xl restores", "empty",
// "not a saved domain". first_bytes: 32 or so.
std::string what_it_seems(std::span<const std::byte> first_bytes);

}  // namespace ferry
