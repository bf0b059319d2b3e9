// Which of the guest half's operations have been called, in their early and in their late forms.
#pragma once

namespace ferry::kernel {

// From now on calls of the operations that are installed are counted: those of before have had
// their time.
void count_early_operations();
void count_late_operations();

// A line for each form that names what was never called; or how many there are, and that all were.
void say_coverage();

}  // namespace ferry::kernel
