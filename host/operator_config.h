// A configuration that an operator wrote.
#pragma once

#include <string>

namespace ferry::host {

// libxl's JSON of the file: itself, if it begins with a brace, else what xl makes of it
// (xl.cfg(5)), which creates nothing. Throws Error(usage) for a file that makes no sense, and
// Error(io).
std::string operator_config(const std::string& path);

}  // namespace ferry::host
