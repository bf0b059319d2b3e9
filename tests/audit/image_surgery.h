// Changing an image behind its digests: taken apart into records, changed, and put together again
// so that every digest and End are right.
#pragma once

#include <functional>
#include <vector>

#include "proto/record.h"

namespace ferry::test {

struct Piece {
  uint32_t kind = 0;  // field number in ferry.v1.Record
  Bytes bytes;        // the whole record
  size_t body_at = 0;
  size_t body_bytes = 0;
};

// image must be sound.
std::vector<Piece> take_apart(const Bytes& image);

// Decodes the piece, lets change have it, and encodes it again.
void edit(Piece& piece, const std::function<void(v1::Record&)>& change);

// Computes the digest anew after bytes were changed in place.
void reseal(Piece& piece);

// Writes a new End for these pieces (the last of which is the old one). Offsets in the index are
// left alone, so only the index may have changed its size.
Bytes put_together(std::vector<Piece> pieces);

}  // namespace ferry::test
