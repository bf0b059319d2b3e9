// A process that outlives whoever starts it.
#pragma once

#include <string>
#include <vector>

namespace ferry::host {

// Runs the program of that path in a session of its own, with nothing of this process but the
// descriptors named; it belongs to nobody here, and sees nothing of a terminal. words: what it is
// called, and its arguments. False if it could not be started. May be called with threads.
bool start_detached(const std::string& program, std::vector<std::string> words,
                    std::vector<int> inherit);

}  // namespace ferry::host
