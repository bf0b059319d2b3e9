// One connection from another host, in a process of its own: who calls, and what for.
//
// A process without rights decrypts and decodes what comes (confined_tls.h). This one tells the
// process that waits for connections what the caller has proven to want, and goes on only when that
// allows it:
//
//   caller → server | job \n stream \n names |    job: empty for a question; stream: empty for a
//                     first connection; beside a stream: a socket over which its frames come
//   server → caller | kCallerGoesOn, or a sentence that refuses |
//   server → caller | stream | beside it, that socket: a further connection of the job it serves
//
// Then it serves the job, or hands it over to a process that does (handed_job.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/receive_job.h"
#include "host/this_host.h"
#include "io/descriptor.h"

namespace ferry::host {

inline const std::string kCallerGoesOn = "+";

struct CallerSays {
  std::string job, stream, names;
};
CallerSays caller_says(const std::string& message);

// How calls are taken.
struct ReceiveCalls {
  KnownSources sources;
  std::string jobs_at;   // where jobs are handed over; empty: the caller's process serves them
  bool confined = true;  // what decrypts and decodes; false is for finding faults
};

// To its end; the exit status. Only what is proven opens the host.
int serve_connection(Descriptor socket, Descriptor control, const ReceiveCalls& how,
                     const OpenHost& open);

}  // namespace ferry::host
