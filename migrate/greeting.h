// How a source opens its connections. Nothing has happened to the guest then.
#pragma once

#include <vector>

#include "migrate/job_journal.h"
#include "migrate/link.h"
#include "migrate/send_guest.h"

namespace ferry {

v1::MigrateHello hello_for(const MigrationJob& job);

// How many connections the image shall come over. Takes the destination's secret into the job, or
// compares it with the one that is there. Throws if the other side does not take the job.
uint32_t greet(Link& link, const v1::MigrateHello& hello, MigrationJob& job);

// The first connection, and the further ones that were agreed on. Throws.
std::vector<Link*> open_streams(Link& first, const SendRequest& request, const MigrationJob& job,
                                uint32_t agreed);

}  // namespace ferry
