// The release of Xen that this ferry was built for.
#include "xen/release.h"

namespace ferry {

std::string_view xen_release() {
  return FERRY_XEN_RELEASE;
}

}  // namespace ferry
