// Xen's own save helper, for everything that ferry leaves to it.
#pragma once

namespace ferry::helper {

// Becomes the stock helper with the same arguments: the path fixed at build, or FERRY_STOCK_HELPER.
// Does not return. Throws Error(unsupported) if there is none, or if it would be ourselves.
[[noreturn]] void exec_stock_helper(char** argv);

}  // namespace ferry::helper
