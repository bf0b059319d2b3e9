// The toolstack's configuration as an image has it: JSON that somebody else wrote.
#pragma once

#include "audit/summary.h"
#include "config/libxl_json.h"

namespace ferry {

// Of the image's own Config record or of the xl file around it; null if it is none for us.
nlohmann::ordered_json config_of(const audit::Summary& summary);
nlohmann::ordered_json config_of(const ImageFile& image);

}  // namespace ferry
