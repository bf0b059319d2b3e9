// The limit that no command may exceed on any file: 64 MiB and 32 bytes for each pfn.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "proto/record.h"

namespace ferry::test {

// Runs every command that reads images, or streams that become images, on the file that make()
// gives, and expects each to end by itself, with whatever result, within the limit for a guest of
// so many pfns.
void expect_modest(uint64_t pfns, const std::function<Bytes()>& make);

// The same of a delta, with the file that make_base gives as its base: all commands but those that
// take no chain.
void expect_modest_chain(uint64_t pfns, const std::function<Bytes()>& make_base,
                         const std::function<Bytes(const std::string& base)>& make_delta);

// The same, and a restore on a simulated host, against what the same command has on a sound image
// of a tiny guest: each may have at most 64 MiB more, and 32 bytes for each page that the file says
// something about, or 24 for each page of the domain that is restored. Prints a line of a table.
void expect_bounded(const char* what, uint64_t said_pages, const std::function<Bytes()>& make);

}  // namespace ferry::test
