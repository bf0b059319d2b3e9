// The toolstack's configuration as an image has it.
#include "tools/ferry/config_json.h"

#include "config/config_record.h"

namespace ferry {

nlohmann::ordered_json config_of(const audit::Summary& summary) {
  return parse_config(summary.config ? summary.config->libxl_json() : summary.place.xl_config);
}

nlohmann::ordered_json config_of(const ImageFile& image) {
  const auto config = config_record(image);
  return parse_config(config ? config->libxl_json() : image.place().xl_config);
}

}  // namespace ferry
