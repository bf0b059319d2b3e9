// Xen's own save helper, for everything that ferry leaves to it.
#pragma once

#include <optional>
#include <string>

namespace ferry::helper {

// Becomes the stock helper with the same arguments: the path fixed at build, or FERRY_STOCK_HELPER.
// Does not return. Throws Error(unsupported) if there is none, or if it would be ourselves.
[[noreturn]] void exec_stock_helper(char** argv);

// The release of the Xen that runs here, if it is another one than ferry was built for: after an
// upgrade of packages, until the next boot. version: of the folder that Linux tells it in.
std::optional<std::string> other_xen(const std::string& version = "/sys/hypervisor/version");
// Becomes the stock helper of that release.
[[noreturn]] void exec_stock_helper_of(const std::string& release, char** argv);

}  // namespace ferry::helper
