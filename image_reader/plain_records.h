// Records of the schema in the plain form of intake/. For this folder only.
#pragma once

#include <vector>

#include "ferry/v1/image.pb.h"
#include "intake/guest_records.h"
#include "proto/pages.h"

namespace ferry {

GuestHead plain_head(const v1::Head& head);
std::vector<KindRun> plain_runs(const std::vector<PageRun>& runs);

// Any record but Magic, Head and Pages. What only others want (config, timeline, index, …) and what
// newer versions add is passed over. Throws Error(bad_image), and what `into` throws.
void hand_on(const v1::Record& record, GuestRecords& into);

}  // namespace ferry
