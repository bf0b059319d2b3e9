// ferry inspect --html: all there is to say of an image, as a page.
#pragma once

#include <string>

#include "audit/summary.h"
#include "proto/image_file.h"

namespace ferry {

// Audits the image, reads all of its pages and writes the page to a descriptor; `to` is what it is
// called. Pages that cannot be read are said to be so in the page. Returns a line for people about
// what was written, nothing for "-", which is standard output. Throws Error(bad_image), Error(io).
std::string write_html(const std::string& file, const ImageFile& image,
                       const audit::Summary& summary, const std::string& to, int fd);

}  // namespace ferry
