// The Executor of simulations: one thread, every choice made by a seed, so that every interleaving
// of the stages can be had again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "pipeline/pipeline.h"

namespace ferry {

// width: jobs that may be worked on before the first of them is consumed. between, if given, is
// called before each step: a simulated guest may run there.
std::unique_ptr<Executor> make_seeded_executor(uint64_t seed, unsigned width,
                                               std::function<void()> between = {});

}  // namespace ferry
