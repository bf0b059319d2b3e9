// The foreign mappings of this process, and the munmap that knows them.
#pragma once

#include <cstddef>
#include <vector>

#include "sim/machine/host.h"

namespace ferry::sim {

inline constexpr uint64_t kNoFrame = ~uint64_t{0};  // a page of a mapping that could not be mapped

// Maps the host's memory, page i showing frames[i] (kNoFrame: nothing, a touch faults), whose
// references the caller has taken and which the mapping now owns. Null with errno when the kernel
// refuses; then the references are the caller's again.
void* add_mapping(Host& host, void* hint, int prot, int flags, std::vector<uint64_t> frames);

// What a kernel does when a program ends: drops the references of every mapping of that host. The
// memory stays mapped, so nothing may look at it any more.
void drop_all_mappings(Host& host);

// The C library's own munmap.
int real_munmap(void* address, size_t bytes);

}  // namespace ferry::sim
