// ferry inspect --html: all there is to say of an image, as a page.
#pragma once

#include <string>

#include "audit/summary.h"
#include "proto/image_file.h"

namespace ferry {

// Audits the image, reads all of its pages and writes the page to `to`: whole, mode 0600, or not at
// all; "-" is standard output. Pages that cannot be read are said to be so in the page. Returns a
// line for people about what was written. Throws Error(bad_image), Error(io).
std::string write_html(const std::string& file, const ImageFile& image,
                       const audit::Summary& summary, const std::string& to);

}  // namespace ferry
