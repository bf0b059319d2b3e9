// The toolstack's configuration as an image has it.
#include "tools/ferry/config_json.h"

namespace ferry {

nlohmann::ordered_json config_of(const audit::Summary& summary) {
  return parse_config(summary.config ? summary.config->libxl_json() : summary.place.xl_config);
}

}  // namespace ferry
