// The destination of a migration.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "migrate/job_journal.h"
#include "migrate/link.h"

namespace ferry {

// Makes a guest of what arrives: xl's migrate-receive on a host, a restore on a simulated one.
//
// Whatever makes it keeps to this (tests/host/incoming_contract_test.cpp):
// - The copy is told from others by uuid and domid, never by its name alone (incoming_copy.h). Its
//   number goes into the journal as soon as the domain exists; another program that takes the job
//   up finds it by that.
// - The copy is paused until run(). After leave() the program can end and the copy stays as it is.
// - present() is true as long as that domain exists, under whatever name.
// - run() can be repeated. True: the domain exists and was let run. False: it cannot, and surely
//   never did; why() says why, and it stays as it is. It throws if there is no domain, or nobody
//   knows what became of it.
// - was_let_run() is true of a copy once run() was about to let it run, unless run() returned false
//   after that, or the copy was discarded; whatever has become of it since.
// - discard() destroys that domain and no other; none is fine.
// - A toolstack that does not answer makes each of them throw. It is never taken for "not there".
class IncomingGuest : public DestinationGuest {
 public:
  // A new guest, with both of its names free. Throws Error if there is none to be had.
  virtual void begin(const v1::MigrateHello& hello) = 0;
  // The domain's number, once there is one.
  virtual const std::optional<CopyNumber>& copy() const = 0;
  virtual const std::string& why() const = 0;
  // What there is to see of it now, for people: "runs here", "is here, paused, as domain 3 (web1)".
  virtual std::string how_it_is() = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  // No more bytes: returns when the guest is whole. Throws Error if it never will be.
  virtual void finish() = 0;
  virtual void leave() = 0;
};

// What a link ended with.
enum class Received {
  runs,       // the guest runs here, or has, or waits for an operator under its name
  never_ran,  // it does not, and nothing of it is left
  held,       // it is whole and paused here, and the link broke or it cannot run: only the source
              // can settle it
  unknown,    // it may have run here, and is not here any more
  asked,      // nothing: it was a question, which has been answered
};

struct ReceiveReport {
  Received what = Received::never_ran;
  MigrationJob job;
  std::string reason;     // of never_ran, and of held if it cannot run
  std::string how_it_is;  // of runs, for people
};

// Who calls, as far as that is proven.
struct Caller {
  std::string text;                // for the journal, and for people
  std::vector<std::string> names;  // what its certificate vouches for; none over a command
};

// What receiving a guest needs of the program that does it.
struct ReceiveHost {
  // A guest of this host, given the job, new or met again.
  std::function<std::unique_ptr<IncomingGuest>(const MigrationJob&)> make;
  // Whether this host could take a guest; nothing: such questions are refused.
  std::function<v1::MigrateAnswer(const v1::MigrateQuestion&)> answer = {};
  // Why no further guest is taken now; nothing, or empty: they are.
  std::function<std::string()> closed = {};
  // Whether that source's guests may be configured as it likes. None are by default.
  std::function<bool(const Caller&)> trusts = {};
  // At most so many connections a job.
  uint32_t most_streams = 1;
  // Waits for as many further connections of this source for the job. Throws Error(io).
  std::function<std::vector<Link*>(const MigrationJob& job, uint32_t count)> more_links = {};
};

// The first frame of a link: a hello, a join or a question, of this version of the protocol. Throws
// Error for all else, after the caller was told.
v1::MigrateFrame first_frame(Link& link);

// Serves one link from its hello, or question, to its end. Throws Error for a link that never got
// as far as a job, and Error(busy) for a job that another process still serves.
ReceiveReport receive_guest(Link& link, const v1::MigrateFrame& first, const Caller& caller,
                            const ReceiveHost& host);

// On a further connection, with its first frame: that it belongs to this job. Answers it. Throws
// Error(io).
void welcome_stream(Link& link, const v1::MigrateJoin& join, const MigrationJob& job);

}  // namespace ferry
