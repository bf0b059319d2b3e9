// Writes an image from front to back, without seeking, and its index and End behind it.
#pragma once

#include <memory>
#include <span>

#include "io/byte_stream.h"
#include "proto/image_hash.h"
#include "proto/pages.h"
#include "proto/record.h"

namespace ferry {

// Records are numbered when they are begun and written when they are done, so that others can
// encode them meanwhile: take a number with next_sequence(), then write in that order.
class RecordWriter {
 public:
  enum class Hashed { no, yes };
  // Takes numbers 0 for Magic, which it writes at once. Hashed costs a SHA-256 of all bytes, on the
  // thread that writes.
  RecordWriter(ByteSink& sink, uint64_t nr_pfns, Hashed hashed = Hashed::no);
  ~RecordWriter();

  // Numbers ascend from 1; every one must be used. Only from one thread.
  uint64_t next_sequence();

  // Numbers and writes a record that is not Pages.
  void write(v1::Record record);

  // Writes an encoded Pages record; runs and stored size go into the index. Must come in order of
  // sequence. About 5 bytes a pfn are kept for the index.
  void write_pages(std::span<const std::byte> record, std::span<const PageRun> runs);

  // Index and End. Nothing may be written after.
  void finish();

  uint64_t bytes_written() const;

  // How a delta of this image names it; after finish(), of one that is hashed, once.
  struct Name {
    ImageHash::Sha256 sha256;
    Digest digest_of_digests;  // End's
    uint64_t bytes;
  };
  Name name();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
