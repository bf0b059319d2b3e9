// An image, read from front to back, as records in plain form.
#pragma once

#include "intake/guest_records.h"
#include "intake/page_ring.h"
#include "io/byte_stream.h"
#include "pipeline/pipeline.h"

namespace ferry {

// source → | producer: one record after the other | → | executor: digest, decompress | → in order →
// | who takes the records |
class ImageRecords final : public RecordSource {
 public:
  // Reads exactly one image, not a byte more. ring: where pages are decompressed to, each record's
  // in the next place, once it has the turn; without one, in memory of ours. All must outlive us.
  ImageRecords(ByteSource& source, Executor& executor, const PageRing* ring = nullptr)
      : source_(source), executor_(executor), ring_(ring) {}

  // Throws Error: bad_image, unsupported, io, and what the executor, the source and `into` throw.
  void read(GuestRecords& into) override;

 private:
  ByteSource& source_;
  Executor& executor_;
  const PageRing* ring_;
};

}  // namespace ferry
