// Images whose pages are looked at.
#pragma once

#include <string>

#include "tests/audit/image_builder.h"

namespace ferry::test {

// What a guest or whoever wrote an image could put into any text of it.
inline const std::string kHostileText =
    "<script>alert(1)</script>\"'&amp;<img src=http://192.0.2.1/ onerror=x>\xff\xc0\x80\xed\xa0\x80"
    "\xe2\x80\xae\x1b[2J</style></title>-->";

// A guest of which every text is hostile, the kernel's banner included, with findings of both
// severities.
TestGuest hostile_guest();

// Saved live in this many rounds, with pages of every class and some that were sent again.
TestGuest live_guest(unsigned rounds);

// Writes an image into a file of this name. Returns its path.
std::string write_image(const TestGuest& guest, const std::string& path);

}  // namespace ferry::test
