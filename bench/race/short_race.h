// The race in a form that takes seconds, for tools/test.
#pragma once

namespace ferry::bench {

// Small guests, memory files, no ceilings. Prints a line for each ratio: what was compared, how
// many times as much processor time stock took, and the same by the clock, with tabs in between.
// Throws Error.
void run_short(unsigned threads);

}  // namespace ferry::bench
