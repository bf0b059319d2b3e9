// ferry inspect: configuration, rounds and what is in the pages.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "audit/census.h"
#include "audit/summary.h"
#include "config/judge_config.h"

namespace ferry {

// Of libxl's JSON, what one asks first; nothing if there is none that we can read.
nlohmann::ordered_json config_as_json(const audit::Summary& summary);
// The same as names and values, a device at a time.
std::vector<std::pair<std::string, std::string>> config_in_words(
    const nlohmann::ordered_json& config);
std::string config_as_text(const nlohmann::ordered_json& config);

// What of it a host with the usual settings would not take unseen (docs/trust.md).
std::vector<ConfigFinding> config_asks_for(const audit::Summary& summary);
std::string asks_for_as_text(const std::vector<ConfigFinding>& findings);
nlohmann::ordered_json asks_for_as_json(const std::vector<ConfigFinding>& findings);

// When each round ended and what it sent; empty for an image without a timeline of rounds.
std::string rounds_as_text(const audit::Summary& summary);

nlohmann::ordered_json census_as_json(const audit::Census& census);
std::string census_as_text(const audit::Census& census);

}  // namespace ferry
