// /etc/ferry/ferry.conf, a setting a line:
//
//   # comment
//   max_downtime = 500
//   receive_from = "host1.example, host2.example"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ferry {

// A setting's name in the file; in the environment it is FERRY_ and the same in capitals.
std::span<const std::string_view> setting_names();

// Takes settings from the file into the environment, where that does not have them. FERRY_CONF
// names another file; the usual one need not be there. Throws Error(usage) naming file and line,
// and Error(io).
void read_conf();

}  // namespace ferry
