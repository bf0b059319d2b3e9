// The sockets at which this host waits for others.
#pragma once

#include <optional>
#include <vector>

#include "io/descriptor.h"
#include "network/address.h"

namespace ferry {

// Those that systemd has opened for us (a .socket unit, Accept=no), or else our own at that
// address. All non-blocking. Throws Error(io), Error(usage) for a descriptor that is no such
// socket.
std::vector<Descriptor> open_listeners(const Address& unless_given);

// The one connection for which systemd has started us (a .socket unit, Accept=yes,
// ListenSequentialPacket=). Throws Error(usage).
Descriptor started_for();

// Tells systemd, if it started us, that we are ready.
void tell_ready();

}  // namespace ferry
