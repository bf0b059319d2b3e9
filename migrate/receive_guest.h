// The destination of a migration.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "migrate/job_journal.h"
#include "migrate/link.h"

namespace ferry {

// Makes a guest of what arrives: xl's migrate-receive on a host, a restore on a simulated one. The
// copy is paused until run(). After leave() the program can end and the copy stays as it is.
class IncomingGuest : public DestinationGuest {
 public:
  // A new guest. Throws Error if there is none to be had.
  virtual void begin(const v1::MigrateHello& hello) = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  // No more bytes: returns when the guest is whole. Throws Error if it never will be.
  virtual void finish() = 0;
  virtual void leave() = 0;
};

// What a link ended with.
enum class Received {
  runs,       // the guest runs here
  never_ran,  // it does not, and nothing of it is left
  held,       // it is whole and paused here, and the link broke: only the source can settle it
  unknown,    // it may have run here when this host went down
  asked,      // nothing: it was a question, which has been answered
};

struct ReceiveReport {
  Received what = Received::never_ran;
  MigrationJob job;
  std::string reason;  // of never_ran
};

// What receiving a guest needs of the program that does it.
struct ReceiveHost {
  // A guest of this host, given the job, new or met again.
  std::function<std::unique_ptr<IncomingGuest>(const MigrationJob&)> make;
  // The job that the link has to be for, if that is known; empty: any.
  std::string job = {};
  // Whether this host could take a guest; nothing: such questions are refused.
  std::function<v1::MigrateAnswer(const v1::MigrateQuestion&)> answer = {};
  // At most so many connections a job.
  uint32_t most_streams = 1;
  // Waits for as many further connections of this source for the job. Throws Error(io).
  std::function<std::vector<Link*>(const std::string& job, uint32_t count)> more_links = {};
};

// Serves one link from its hello, or question, to its end. peer: who it is, for the journal and for
// people. Throws Error for a link that never got as far as a job, and Error(busy) for a job that
// another process still serves.
ReceiveReport receive_guest(Link& link, const std::string& peer, const ReceiveHost& host);

// On a further connection: that it belongs to this job. Answers it. Throws Error(io).
void welcome_stream(Link& link, const std::string& job, uint32_t stream);

}  // namespace ferry
