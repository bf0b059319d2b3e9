// What the audit found, and its verdict in a few words.
#pragma once

#include <string>

#include "audit/audit.h"

namespace ferry::html {

// For the head of the page.
std::string verdict(const audit::Result& result);

std::string findings(const audit::Result& result);

}  // namespace ferry::html
