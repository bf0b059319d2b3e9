// The limit that no command may exceed on any file: 64 MiB and 32 bytes for each pfn.
#pragma once

#include <cstdint>
#include <functional>

#include "proto/record.h"

namespace ferry::test {

// Runs every command that reads images, or streams that become images, on the file that make()
// gives, and expects each to end by itself, with whatever result, within the limit for a guest of
// so many pfns.
void expect_modest(uint64_t pfns, const std::function<Bytes()>& make);

}  // namespace ferry::test
