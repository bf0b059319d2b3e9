// One connection from another host, in a process of its own: who calls, and what for.
//
// It tells the process that waits for connections what the caller has proven to want, and goes on
// only when that allows it:
//
//   caller → server | job, or nothing for a question \n stream, or nothing for a first one \n names
//   |
//                     beside a stream: a socket over which its frames come
//   server → caller | kCallerGoesOn, or a sentence that refuses |
//   server → caller | stream | beside it, that socket: a further connection of the job it serves
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/this_host.h"
#include "io/descriptor.h"

namespace ferry::host {

inline const std::string kCallerGoesOn = "+";

struct CallerSays {
  std::string job, stream, names;
};
CallerSays caller_says(const std::string& message);

// Names of sources, as their certificates have them.
struct KnownSources {
  std::vector<std::string> allowed;  // none: all that the authority vouches for
  std::vector<std::string> trusted;  // with how their guests are configured
};

// To its end; the exit status. Only what is proven opens the host.
int serve_connection(Descriptor socket, Descriptor control, const KnownSources& sources,
                     const OpenHost& open);

}  // namespace ferry::host
