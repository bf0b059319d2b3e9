// What earlier migrations of a guest have left at a host that it comes to again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/v1/migrate.pb.h"
#include "migrate/job_journal.h"
#include "migrate/receive_guest.h"
#include "xen/lifecycle.h"

namespace ferry {

using TakenBack = google::protobuf::RepeatedPtrField<v1::MigrateTakenBack>;

// At the source: the jobs of that guest that ended with it here, of which the other host may not
// have heard.
TakenBack jobs_taken_back(const std::string& uuid);

// At the destination. What never was whole can go, and what its source has taken back; what that
// may have given away is the source's to settle: Error(unsupported), naming the job.

// The domains that would go if the guest came, without touching them.
std::vector<domid_t> copies_that_can_go(Lifecycle& life, const std::string& uuid,
                                        const TakenBack& taken_back);
// For this job, which is about to come: they go.
void clear_earlier_tries(
    const MigrationJob& job, const TakenBack& taken_back,
    const std::function<std::unique_ptr<IncomingGuest>(const MigrationJob&)>& make);

}  // namespace ferry
