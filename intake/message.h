// Messages from the reader of an image to the engine. Private to this folder and its tests.
//
//   | type 4 | bytes 4 | record 8 | body, so many bytes |    numbers as this machine has them
//
//   held         | errno 4 |                          why seccomp does not hold the reader; 0: it
//   does head         | nr_pfns 8 | populated 8 | p2m root 8 | highest vCPU id 4 | linear 1 | live
//   1 | 0 2 | cpu_policy   | bytes of CPUID 8 | CPUID … | MSRs … | populated    | first 8 | count 8
//   | first 8 | … pages        | first 8 | count 4 | kind 4 | first 8 | …   the pages: in the next
//   place of the ring tsc          | nsec 8 | mode 4 | kHz 4 | incarnation 4 | 0 4 | shared_info  |
//   4096 | vcpu         | id 4 | sizes of the four, 4 each | basic … | extended … | xsave … | MSRs
//   … | end          | failed       | code 4 | errno 4 | sentence … |
//
// The first is held, the last is end or failed. record is the number of the image's record that
// says it, for sentences.
#pragma once

#include <cstddef>
#include <cstdint>

#include "intake/guest_records.h"

namespace ferry::message {

enum class Type : uint32_t {
  held = 1,
  head,
  cpu_policy,
  populated,
  pages,
  tsc,
  shared_info,
  vcpu,
  end,
  failed,
};

struct Prefix {
  uint32_t type = 0;
  uint32_t bytes = 0;
  uint64_t record = 0;
};
struct Held {
  int32_t os_errno = 0;
};
struct Head {
  uint64_t nr_pfns = 0, populated_pages = 0, p2m_root_pfn = 0;
  uint32_t max_vcpu_id = 0;
  uint8_t linear_p2m = 0, live = 0;
  uint16_t nothing = 0;
};
struct Policy {
  uint64_t cpuid_bytes = 0;
};
struct Populated {
  uint64_t first = 0, count = 0;
};
struct Pages {
  uint64_t first = 0;
  uint32_t count = 0, kind = 0;
};
struct Tsc {
  uint64_t nsec = 0;
  uint32_t mode = 0, khz = 0, incarnation = 0, nothing = 0;
};
struct Vcpu {
  uint32_t id = 0;
  uint32_t sizes[4] = {};
};
struct Failed {
  uint32_t code = 0;
  int32_t os_errno = 0;
};

inline constexpr size_t kMostPopulatedRuns = 4096;  // in a message; more come in further ones
inline constexpr size_t kMostSentenceBytes = 4096;  // longer ones are cut

// The most that the body of such a message can have; 0 for a number that is no type.
size_t most_bytes(uint32_t type);

}  // namespace ferry::message
