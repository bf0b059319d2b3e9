// How every program ends: with an exit code and, if not well, one line that names it.
#pragma once

#include <functional>
#include <string_view>

#include "error/error.h"

namespace ferry {

// Prints "program: sentence" to standard error. What a sentence quotes may come from an image, a
// guest or a peer: here it becomes a line, and printable (text/printable.h).
void complain(std::string_view program, std::string_view sentence);

// Names a descriptor to which a program's complaints go too. Standard error is for what it starts
// as well, such as the command of --via; this one is not, so whoever reads it knows who complains.
inline constexpr const char* kComplaintsVariable = "FERRY_COMPLAINTS";

// First of all, whatever a program was started with has descriptors 0 to 2 open, so that no file of
// ours gets one of those numbers and what is meant for people with it; and a file that grows beyond
// its limit is an error that can be told, not a signal.
// Then: the body's exit code, or that of the exception it threw, after complaining about it. A body
// that ended well has failed if an answer could not be written (text/print.h).
int run_main(std::string_view program, const std::function<int()>& body);

}  // namespace ferry
