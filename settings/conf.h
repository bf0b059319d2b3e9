// /etc/ferry/ferry.conf, a setting a line:
//
//   # comment
//   max_downtime = 500
//   receive_from = "host1.example, host2.example"
#pragma once

#include "settings/settings.h"

namespace ferry {

// What the file gives. FERRY_CONF names another file; the usual one need not be there. Throws
// Error(usage) naming file and line, and Error(io).
Settings read_conf();

// What a program starts with: the environment, and where that says nothing the file. Throws as both
// do.
Settings read_settings();

}  // namespace ferry
