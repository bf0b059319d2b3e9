// Files and folders that are on the disk when the call returns.
#pragma once

#include <string>
#include <string_view>

namespace ferry {

// Names that files got or lost in the folder. Throws Error(io).
void sync_folder(const std::string& folder);

// A whole new file, mode 0600, synced and renamed over what had the path, and its folder synced: a
// power failure leaves the old one or the new one. Throws Error(io); the old one is then still
// there.
void write_durably(const std::string& path, std::string_view contents);

}  // namespace ferry
