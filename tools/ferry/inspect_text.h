// ferry inspect: the two ways of printing a summary.
#pragma once

#include <string>

#include "audit/summary.h"

namespace ferry {

// Of the guest, as its configuration has it; empty if there is none that we can read.
std::string guest_name(const audit::Summary& summary);
// In letters; empty if the image has none.
std::string uuid_of(const audit::Summary& summary);

// name: of the guest, empty if the image does not say.
std::string summary_as_text(const std::string& file, const std::string& name,
                            const audit::Summary& summary);
std::string summary_as_json(const std::string& file, const std::string& name,
                            const audit::Summary& summary);

}  // namespace ferry
