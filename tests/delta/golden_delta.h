// What is in the golden delta, of tests/golden/v1.0-bare.ferry: as in tests/proto/golden.h, nothing
// here may ever change.
#pragma once

#include <vector>

#include "tests/proto/golden.h"

namespace ferry::test::golden {

// SHA-256 over the SHA-256 of each of the base's records, and what its End says.
inline constexpr char kBaseSha256[] =
    "77e881049d724b167074499ec98b72b4433bc9ed8cf7cbdfaf6d5dd795b3ef6b";
inline constexpr char kBaseDigest[] = "f8a9ef09b45f79c862349a3f8b2e4655";
inline constexpr uint64_t kBaseBytes = 36507;

// Of all kinds of change: other contents, another kind, absent, zero, and back to what it was.
inline Batch delta_batch() {
  Batch batch;
  batch.round = 7;  // its own contents, by page()
  add(batch, 10, v1::DATA);
  add(batch, 11, v1::DATA);
  add(batch, 13, v1::ABSENT);
  add(batch, 37, v1::ZERO);
  add(batch, 43, v1::P2M_LEAF);
  add(batch, 202, v1::L1_PINNED, false);
  add(batch, 500, v1::DATA);
  add(batch, 65000, v1::DATA);
  add(batch, kPfns - 1, v1::ZERO);
  return batch;
}

}  // namespace ferry::test::golden
