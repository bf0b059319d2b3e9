// How large an image will be, as far as a look at a part of the guest can tell.
#pragma once

#include <memory>

#include "save/guest_view.h"

namespace ferry {

// A guess that an image is hardly ever smaller than, in bytes: runs of pages all over the guest,
// 8 MiB in all, go the way that all pages will go, and three standard errors of that are taken off.
// The guest may run.
uint64_t least_image_bytes(const Hypervisor& xen, domid_t domid,
                           const std::shared_ptr<const GuestView>& guest, int level);

}  // namespace ferry
