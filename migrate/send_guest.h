// The source of a migration.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "migrate/job_journal.h"
#include "migrate/link.h"
#include "migrate/patience.h"
#include "xen/hypervisor.h"
#include "xen/lifecycle.h"

namespace ferry {

// What a stream engine does: saves the domain into fd. lock is the descriptor of the domain's lock
// (EngineOptions::lock); suspend() is true once the guest is suspended.
struct StreamOrder {
  domid_t domid{};
  int fd = -1;
  int lock = -1;
  std::function<bool()> suspend;
};
// Throws Error.
using StreamEngine = std::function<void(const StreamOrder&)>;

struct SendRequest {
  std::string domain;  // name or number
  Peer peer;
  std::string job = new_job_id();
  uint32_t streams = 1;  // connections to ask for
  // Opens a further one, number 1, 2, …; it lasts as long as the request. Throws Error(io).
  std::function<Link*(uint32_t stream)> open_stream = {};
  HandoverLimits limits = {};
  // What lives until the other side has answered. The domain is in custody then, and nothing has
  // happened to it.
  std::function<std::shared_ptr<void>(domid_t)> while_greeting = {};
};

struct SendReport {
  domid_t domid{};
  std::string name;
  uint64_t stream_bytes = 0;
  uint64_t guest_bytes = 0;
  double away_seconds = 0;  // from the guest's suspension until it was said to run there
  bool paused = false;      // as it was here: there it does not run until somebody lets it
};

// Moves a guest over the link. When this returns the guest runs at the other end and is destroyed
// here. From its first step on the guest is in custody (custody/guest_custody.h). Throws Error:
// unless its code is needs_operator the guest runs on here; with that the sentence names the
// command that settles the job.
SendReport send_guest(const Hypervisor& xen, Lifecycle& life, const StreamEngine& engine,
                      Link& link, const SendRequest& request);

// What became of a job when both sides met again.
enum class Settled {
  runs_there,
  runs_here,
  given_up,        // an operator said so; the other host does not say that it runs
  was_given_away,  // before this, and nobody was asked
  was_taken_back,  // before this, and it is not here any more
};

struct SettledJob {
  Settled what;
  // For people; of runs_there as the other host says: "runs there", "is there, paused, as domain 3
  // (web1)", "runs here".
  std::string how;
};

// Connects to the other host of a job. Throws Error(io).
using Connect = std::function<Link&()>;

// Where the guest is wanted, as far as that is still open.
enum class Wanted {
  anywhere,
  here,            // if it has not run there yet
  there_by_force,  // though it is gone here, or nobody knows whether it ran there: an operator says
                   // so
};

// Whether a go may have been sent: its journal says so, or that is older than what has happened
// (it comes from a backup, say) and its guest was set aside, or about to be. The other host is
// asked first then.
bool may_be_given_away(Lifecycle& life, const MigrationJob& job);

// Settles a job of this host over a new link. What can be settled without the other side is settled
// first, so a guest that was never given away runs here whether or not it answers. Throws
// Error(needs_operator) if it cannot be settled now, naming the command to try again.
SettledJob settle_sent_guest(const Hypervisor& xen, Lifecycle& life, const Connect& connect,
                             const MigrationJob& job, Wanted wanted,
                             const HandoverLimits& limits = {});
// Over a link that is there.
SettledJob settle_sent_guest(const Hypervisor& xen, Lifecycle& life, Link& link,
                             const MigrationJob& job, Wanted wanted);
// Without the other side: only before the guest was given away, or by force. How it is here then,
// for people, as in SettledJob.
std::string take_back_sent_guest(const Hypervisor& xen, Lifecycle& life, const MigrationJob& job,
                                 bool force);

}  // namespace ferry
