// What a live save says of itself at its control socket: one object of JSON, with virsh
// domjobinfo's names.
#pragma once

#include <string>

#include "save/live/control.h"

namespace ferry::host {

// Its keys: the phase is a text, the others are numbers.
namespace status_key {
inline constexpr char kPhase[] = "phase";
inline constexpr char kElapsed[] = "time_elapsed";          // ms
inline constexpr char kDowntime[] = "downtime";             // ms, if it were suspended now
inline constexpr char kTotal[] = "memory_total";            // bytes, as the next two
inline constexpr char kProcessed[] = "memory_processed";    // all rounds together
inline constexpr char kRemaining[] = "memory_remaining";    // of this round
inline constexpr char kBytesPerSecond[] = "memory_bps";     // of image
inline constexpr char kDirtyRate[] = "memory_dirty_rate";   // pages a second
inline constexpr char kIteration[] = "memory_iteration";    // passes begun
inline constexpr char kPageSize[] = "memory_page_size";     // bytes
inline constexpr char kDataProcessed[] = "data_processed";  // bytes of image
}  // namespace status_key

// In one line.
std::string to_json(const LiveProgress& progress);

}  // namespace ferry::host
