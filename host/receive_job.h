// One job that arrives at this host, over the connections of its source.
#pragma once

#include "host/this_host.h"
#include "migrate/receive_guest.h"

namespace ferry::host {

struct ReceiveJob {
  Link& link;  // the first one
  const v1::MigrateFrame& first;
  Caller caller;
  int control;           // where further connections come from (receive_caller.h)
  bool trusted = false;  // the source, with how its guests are configured
};

// Serves it to its end. Throws Error.
ReceiveReport receive_job(const ReceiveJob& job, ThisHost& host);

// What this host gives and answers to whoever sends a guest; no further connections. trusted: the
// source may configure it as it likes.
ReceiveHost receive_host(ThisHost& host, bool trusted);

// receive_guest(), which is in the metrics afterwards.
ReceiveReport receive_counted(Link& link, const v1::MigrateFrame& first, const Caller& caller,
                              const ReceiveHost& serve);

// What an operator wants to know of it; throws the Error for what did not end well.
void tell(const ReceiveReport& report);

}  // namespace ferry::host
