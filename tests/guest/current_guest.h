// Which guest the C entry points work on, in these tests.
#pragma once

#include "tests/guest/test_guest.h"

namespace ferry {

using current_machine = TestKernel;
guest<current_machine>& current_guest();
void set_current_guest(guest<current_machine>* g);

}  // namespace ferry
