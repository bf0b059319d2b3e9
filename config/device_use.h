// Whether this host itself uses a block device.
#pragma once

#include <string>

namespace ferry {

// Why a guest should not have what is at the path: it, a partition of it or something made of it is
// mounted here or swapped to, or it is no block device. Nothing: it may; so may what is a file.
std::string fault_of_device(const std::string& path);

}  // namespace ferry
