// The release of Xen that this ferry was built for.
#pragma once

#include <string_view>

namespace ferry {

// Such as "4.17". Xen's tool interface is of one release: another Xen refuses every domctl.
std::string_view xen_release();

}  // namespace ferry
