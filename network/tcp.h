// Sockets that connect and listen, and notice a peer that is gone.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "io/descriptor.h"
#include "network/address.h"
#include "network/ip_network.h"

namespace ferry {

// A peer that says nothing for so long, although it was asked, is gone; so is one that does not
// answer when it is called.
inline constexpr std::chrono::seconds kPeerTimeout{30};

// Tries each address that the name has, or each that it has in that network. Throws Error(io),
// naming host and reason.
Descriptor connect_tcp(const Address& to, const std::optional<IpNetwork>& only = {});

// One socket for each address that the name has, or for all of this host's. Throws Error(io).
std::vector<Descriptor> listen_tcp(const Address& at);

// What every connection of ours wants, one that was accepted too: no delay for small messages, and
// an error after kPeerTimeout instead of silence for ever while nothing is under way.
void tune_tcp(int socket);

// Whether it acknowledges nothing any more, although it has to. For whoever waits to send: TCP's
// own time-out does not tell a peer that is gone from one that lives and is too busy to read.
bool peer_is_gone(int socket);

// The other end and this one, as ADDRESS:PORT.
std::string peer_of(int socket);
std::string own_end_of(int socket);

}  // namespace ferry
