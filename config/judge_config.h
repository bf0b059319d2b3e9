// What a configuration asks for that nobody vouches for, and what of it libxl is to get.
//
// Everything that libxl knows is looked at by key and value. What can run programs, name files or
// devices of the host, or reach other domains is found; ordinary disks, networks and kernels pass.
// What libxl gets is written anew from what was looked at: no key comes twice, none is unknown, and
// each value has the form that libxl wants, so that it reads what was judged.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/trust_places.h"
#include "error/error.h"

namespace ferry {

struct ConfigFinding {
  std::string key;    // "disks[0].script"
  std::string value;  // as JSON, perhaps cut off
  std::string why;    // "it is a program outside of /etc/xen/scripts"
};

struct JudgedConfig {
  nlohmann::ordered_json json;          // what libxl is to get
  std::vector<ConfigFinding> findings;  // what somebody has to vouch for
  std::vector<std::string> dropped;     // keys that libxl does not know, the first few
};

inline constexpr size_t kMostConfigFindings = 256;  // the rest is not listed

// Throws Error(code) for a text that is no configuration at all, that libxl would read otherwise
// than it looks (a key twice, a number as a text, a NUL), or that no guest of ours has.
// called: "the image's configuration".
JudgedConfig judge_config(const std::string& text, Errc code, const std::string& called,
                          const TrustPlaces& places);

// What a host with the usual settings would not take unseen, as far as names tell; a configuration
// that makes no sense to it is one finding. Nothing of an image that says nothing of its domain.
std::vector<ConfigFinding> asks_for(const std::string& text);

// "disks[0].script \"/tmp/x\": it is a program outside of …".
std::string finding_in_words(const ConfigFinding& finding);

// Throws Error(unsupported), naming what was found, if anything was. way_out: what an operator can
// do: "--trust-config takes it all the same".
void require_trust(const JudgedConfig& judged, const std::string& called,
                   const std::string& way_out);

}  // namespace ferry
