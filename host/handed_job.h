// A job that the process which waits for connections, without rights, hands over to one that has
// them: over a socket of AF_UNIX at which a process is started for each (systemd's Accept=yes).
//
//   caller → job | kHandedJob \n address \n names, a space between them | the job's connection |
//   caller → job | control | where its further connections come from (receive_caller.h) |
//   job → caller | kCallerGoesOn, or a sentence that refuses |
//
// The caller then waits until the job's end of the socket is closed.
#pragma once

#include "host/receive_job.h"
#include "io/descriptor.h"

namespace ferry::host {

// Changes with what the two say to each other: an upgrade can leave one of them older.
inline const std::string kHandedJob = "ferry job 1";

class HandedJob {
 public:
  // Throws Error if nobody takes it.
  HandedJob(const std::string& socket, const ProvenCall& call);
  // Until it has ended.
  void wait() const;

 private:
  Descriptor job_;
};

// Takes the one that this process was started for, and serves it to its end. Throws Error.
void serve_handed_job(Descriptor from, const KnownSources& sources, const OpenHost& open);

}  // namespace ferry::host
