// Who a process is, and what that allows. Private to this folder and its tests.
#pragma once

namespace ferry::sandbox {

// No program that this process could run would have more rights than itself. False if refused.
bool forbid_new_privileges() noexcept;

// Of root, makes the user and group that own nothing (65534), in no further group. False if this
// process is not root, or is refused it.
bool become_nobody() noexcept;

// No capability is left, nor can one come back. False if one is.
bool drop_capabilities() noexcept;

// Other processes of this user can neither read this one's memory nor trace it, and it is killed
// when the thread that started it ends.
void hide_and_end_with_parent() noexcept;

}  // namespace ferry::sandbox
