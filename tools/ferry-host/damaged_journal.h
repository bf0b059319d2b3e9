// A job whose journal on this host cannot be read: what is left to do, and with which domain.
#pragma once

#include <string>

#include "error/error.h"
#include "host/this_host.h"

namespace ferry::host {

// why: what find_job() said of it. Throws Error(needs_operator), naming the commands that bring the
// guest back, or settle its copy, and the host that each is for.
[[noreturn]] void fail_damaged_journal(ThisHost& host, const std::string& id, bool source,
                                       const Error& why);

}  // namespace ferry::host
