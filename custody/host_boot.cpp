// Which run of this host it is.
#include "custody/host_boot.h"

#include <fstream>

#include "error/error.h"
#include "xen/uuid.h"

namespace ferry {

std::string host_boot() {
  std::string text;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
  try {
    return uuid_text(uuid_of(text));
  } catch (const Error&) {
    return uuid_text({});
  }
}

}  // namespace ferry
