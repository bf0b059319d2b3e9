// Landlock: which paths and ports a process may reach. Private to this folder and its tests.
#pragma once

namespace ferry::sandbox {

// From now on this thread and those that it starts reach nothing by a path, bind and connect no TCP
// socket, and signal no process outside, as far as the kernel knows how. Returns the ABI version of
// its Landlock, 0 if it has none or refuses. Descriptors stay as they are.
unsigned forbid_paths() noexcept;

}  // namespace ferry::sandbox
