// A published p2m and a reader of it.
#pragma once

#include <vector>

#include "tests/p2m/fake_memory.h"

namespace ferry {

struct Case {
  static constexpr uint64_t kNrMfns = uint64_t{1} << 30;

  FakeMemory memory{kNrMfns};
  std::vector<uint64_t> leaves;
  uint64_t missing = 0;
  uint64_t max_pfn = 0;
  bool linear = false;
  Published published;

  p2m_read_result read(SeenP2m& seen) {
    return read_published_p2m(published.arch, {.nr_mfns = kNrMfns}, memory, seen);
  }
};

}  // namespace ferry
