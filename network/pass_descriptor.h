// Short messages between processes of this host, over a socket of AF_UNIX that keeps them apart
// (SOCK_SEQPACKET), with a descriptor beside them if there is one to hand over.
#pragma once

#include <optional>
#include <string>

#include "io/descriptor.h"

namespace ferry {

inline constexpr size_t kMostMessageBytes = 8192;

struct PassedMessage {
  std::string text;
  Descriptor descriptor;  // or none
};

// Without waiting for the other process. descriptor: -1 for none. Throws Error(io).
void pass_message(int over, const std::string& text, int descriptor = -1);

// Waits so long for one, for ever if that is negative. Nothing at that time. Throws Error(io), also
// when nobody can send one any more.
std::optional<PassedMessage> take_message(int over, int timeout_ms);

}  // namespace ferry
