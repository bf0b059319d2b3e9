// One job that arrives at this host, over the connections of its source.
#pragma once

#include "host/this_host.h"
#include "migrate/receive_guest.h"

namespace ferry::host {

// Names of sources, as their certificates have them.
struct KnownSources {
  std::vector<std::string> allowed;  // none: all that the authority vouches for
  std::vector<std::string> trusted;  // with how their guests are configured
};

// Throws Error(unsupported) for a certificate that names no host.
Caller proven_caller(const std::vector<std::string>& names, const std::string& address);

// Whether it is trusted with how its guests are configured. Throws Error(unsupported) for one from
// which no guest is taken.
bool admit(const Caller& caller, const KnownSources& sources);

// Who calls, and what of that call the process that serves it needs.
struct ProvenCall {
  std::string address;
  std::vector<std::string> names;  // what its certificate vouches for
  int connection;                  // its frames come in plain form (migrate/plain_frame.h)
  int control;                     // where further connections come from (receive_caller.h)
};

// Serves it to its end, and tells how that was; only a source that is admitted opens the host.
// Throws Error.
void serve_job(const ProvenCall& call, const KnownSources& sources, const OpenHost& open);

struct ReceiveJob {
  Link& link;  // the first one
  const v1::MigrateFrame& first;
  Caller caller;
  int control;           // as ProvenCall has it
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
