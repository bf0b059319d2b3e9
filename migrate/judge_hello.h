// What a source asks for with the configuration of the guest that it sends.
#pragma once

#include <string>
#include <vector>

#include "ferry/v1/migrate.pb.h"

namespace ferry {

// The configuration that the toolstack is to get, written anew from what was judged. Throws
// Error(unsupported) for one that asks for more than is taken unseen from a source that is not
// trusted with it, or that is of another guest than the hello.
std::string judged_config(const v1::MigrateHello& hello, bool trusted);

// The same for a question: what stands against the guest, in words.
std::vector<std::string> against_config(const std::string& config, bool trusted);

}  // namespace ferry
