// How a save shares dom0's CPUs with the backends of all guests.
#pragma once

namespace ferry::helper {

// The disk and network backends of all guests share dom0's CPUs with us.
void lower_priority();
// For what is done while a guest stands still.
void restore_priority();

}  // namespace ferry::helper
