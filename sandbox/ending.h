// What became of a confined process, in a sentence. For this folder only.
#pragma once

#include "sandbox/confined_process.h"

namespace ferry::sandbox {

// Throws Error(internal).
[[noreturn]] void fail_of_signal(const Confined& how, int ended_by);

}  // namespace ferry::sandbox
