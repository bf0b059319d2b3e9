// What a whole save and a whole restore promise, whatever they ended with. Each check tells gtest
// what was broken.
#pragma once

#include "tests/engine/subjects.h"

namespace ferry::sim {

enum class Result {
  done,
  failed,   // cleanly: exit code 1
  retried,  // exit code 4, and the command that the sentence named did it
};

// Nothing stays open or mapped in this process, with one exception that is libxenctrl's:
// xc_machphys_mfn_list() loses a hypercall buffer when memory for its own second one cannot be had.
void expect_nothing_left_open(const std::string& after);

// After `ferry save` as `request` had it. Faults are over. A save that is done or was retried
// leaves the guest as the request wanted it; one that failed leaves it running as before and no
// image. Only a fault in the recovery itself may ask for the operator.
Result expect_save_promise(Subject& subject, const Workplace& place, Afterwards afterwards,
                           const Ended& ended);

// After a restore of the subject's image on a host that had that many free pages and no guests.
Result expect_restore_promise(Subject& subject, Host& target, uint64_t free_pages,
                              const RestoreEnded& ended);

}  // namespace ferry::sim
