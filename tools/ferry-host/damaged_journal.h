// A job whose journal on this host cannot be read: what is left to do, and with which domain; and
// that it is forgotten.
#pragma once

#include <string>

#include "error/error.h"
#include "host/this_host.h"

namespace ferry::host {

// why: what find_job() said of it. Throws Error(needs_operator), naming the commands that bring the
// guest back, or settle its copy, and the host that each is for.
[[noreturn]] void fail_damaged_journal(ThisHost& host, const std::string& id, bool source,
                                       const Error& why);

// An operator says that nothing is left to do (ferry job abort --force). If the journal of one side
// cannot be read, and no domain here may be what it is about, it goes: true. Throws Error(busy),
// Error(io); Error(internal) if Xen does not answer.
bool forget_damaged_journal(const OpenHost& open, const std::string& id);

}  // namespace ferry::host
