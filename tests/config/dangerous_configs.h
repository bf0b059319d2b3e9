// Configurations that somebody else could send to get more than a guest: each an ordinary guest's
// with one thing changed.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace ferry::test {

// A guest with a kernel, a disk and a network, as libxl describes it.
nlohmann::ordered_json ordinary_config();

struct DangerousConfig {
  std::string key;    // what a refusal has to name
  std::string patch;  // a JSON merge patch of the ordinary one
  std::string json() const;
};

// Of each kind: programs, files, devices, other domains.
const std::vector<DangerousConfig>& dangerous_configs();

}  // namespace ferry::test
