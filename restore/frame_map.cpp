// What a restored guest has so far: for each pfn the frame it got and what the image put there.
#include "restore/frame_map.h"

#include "error/error.h"
#include "intake/guest_records.h"

namespace ferry {

FrameMap::FrameMap(uint64_t nr_pfns) {
  if (nr_pfns == 0 || nr_pfns > kMostPfns)
    fail(Errc::bad_image, "the image is of a guest with {} pages, which cannot be", nr_pfns);
  pages_.grow(nr_pfns);
}

}  // namespace ferry
