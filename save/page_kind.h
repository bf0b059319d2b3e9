// What a page is to an image, from what Xen and the p2m say of it.
#pragma once

#include "proto/pages.h"
#include "xen/page_types.h"

namespace ferry {

// type: Xen's, neither broken nor unknown. leaf: the page is a part of the published p2m. A page
// full of zeros counts as data here. Throws Error(guest) when the two contradict each other or the
// page is lost.
v1::PageKind page_kind(pfn_t pfn, PageType type, bool leaf);

}  // namespace ferry
