// Another host's ferry receive, and the connections to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "migrate/job_journal.h"
#include "migrate/link.h"
#include "migrate/patience.h"
#include "settings/settings.h"

namespace ferry::host {

class OtherHost {
 public:
  virtual ~OtherHost() = default;

  // The first connection.
  virtual Link& link() = 0;
  // What its certificate vouches for; none over a command.
  virtual std::vector<std::string> names() = 0;
  // A further one for the same job; lasts as long as this. Throws Error(io).
  virtual Link* open_stream(uint32_t stream) = 0;

  // While the result lives, SIGINT, SIGTERM and SIGHUP cut the first connection.
  class CutOnSignals {
   public:
    virtual ~CutOnSignals() = default;
  };
  virtual std::unique_ptr<CutOnSignals> cut_on_signals() = 0;
};

// How long a guest may stand still, as the settings have it.
HandoverLimits handover_limits(const Settings& settings);

// As people name it: HOST or HOST:PORT, or else a command. Throws Error(usage).
Peer peer_named(const std::string& host, const std::string& command);

// Calls it. Throws Error(io): it does not answer, does not accept our certificate, …, and
// Error(unsupported) if its certificate does not vouch for all of the peer's names. A command may
// ask at the terminal until the other host answers. quiet: nobody is told that it is waited for.
std::unique_ptr<OtherHost> call(const Peer& peer, bool quiet = false);

}  // namespace ferry::host
