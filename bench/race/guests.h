// The simulated guests of the race: what of their pages is zero, data and tables.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/builder/guest_builder.h"
#include "sim/machine/host.h"

namespace ferry::bench {

enum class Guest { two_thirds_zero, incompressible, page_tables, ballooned };

inline constexpr Guest kGuests[] = {Guest::two_thirds_zero, Guest::incompressible,
                                    Guest::page_tables, Guest::ballooned};

const char* name_of(Guest guest);

// On a host of its own with room for a second one of its size. Data is the contents of the programs
// in /usr/bin, or noise where nothing is to be compressed.
struct BuiltGuest {
  std::unique_ptr<sim::Host> host;
  sim::ScratchGuest guest;
  std::vector<mfn_t> frames;              // of all pages, in order of pfn
  std::vector<const std::byte*> pages;    // the same, where they lie
  std::vector<const std::byte*> nonzero;  // of them
  size_t tables = 0;                      // of them, with the leaves of the p2m

  double gib() const { return static_cast<double>(pages.size() * kPageSize) / (1u << 30); }
};

// Throws Error.
BuiltGuest build(Guest guest, uint64_t mib);

}  // namespace ferry::bench
