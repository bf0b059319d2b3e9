// What the guest is and how it was saved, in a few lines.
#pragma once

#include <string>

#include "html/report.h"

namespace ferry::html {

std::string facts(const Report& report);

}  // namespace ferry::html
