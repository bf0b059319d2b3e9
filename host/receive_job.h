// One job that arrives at this host, over the connections of its source.
#pragma once

#include <string>
#include <vector>

#include "host/this_host.h"
#include "io/descriptor.h"
#include "migrate/receive_guest.h"
#include "network/tls.h"

namespace ferry::host {

struct ReceiveJob {
  Descriptor first;                  // its preamble read
  Descriptor more;                   // where further connections come from
  std::string job_bytes;             // as the preamble says
  std::vector<std::string> allowed;  // names of sources; none: all that the authority vouches for
};

// Serves it to its end. Throws Error.
ReceiveReport receive_job(ReceiveJob job, const TlsContext& context, ThisHost& host);

// What an operator wants to know of it; throws the Error for what did not end well.
void tell(const ReceiveReport& report);

}  // namespace ferry::host
