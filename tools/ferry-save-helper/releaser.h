// Lets the processes of xl's go on that were held while their guest was suspended.
#pragma once

namespace ferry::helper {

// ferry-save-helper --release-watchers DOMID UUID STARTER PID:START… (host/xl_watchers.h).
// Returns the exit status.
int run_releaser(int argc, char** argv);

}  // namespace ferry::helper
