// What settings mean to a live save.
#pragma once

#include "save/live/control.h"
#include "save/live/policy.h"
#include "save/live/tracking.h"
#include "settings/settings.h"

namespace ferry::host {

PolicyOptions policy_of(const Settings& settings);
Track track_of(const Settings& settings);
uint64_t bytes_per_second_of(const Settings& settings);  // 0: no limit

// Changes a setting of a save that runs, one of ferry job set's. Throws Error(usage).
void change(LiveControl& control, std::string_view name, std::string_view value);

}  // namespace ferry::host
