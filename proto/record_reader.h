// Reads an image from front to back, a record at a time, without ever reading past its end.
#pragma once

#include <memory>
#include <optional>

#include "io/byte_stream.h"
#include "proto/record.h"

namespace ferry {

// Checks as it goes: the first record is our Magic of a major version we know, sequence numbers
// are complete, no record is larger than kMaxRecord (and memory grows only as bytes arrive), End
// states the right record count, size and digest of digests.
//
// It does not check the digest of each record: that is for whoever uses the record, so that it
// can be done on another thread. An image is sound when every record passed check_digest() and
// next() has returned End.
class RecordReader {
 public:
  explicit RecordReader(ByteSource& source);
  ~RecordReader();

  // The next record; the last one is End; then nothing. Throws Error(bad_image) or Error(io).
  std::optional<RawRecord> next();

  // Takes the memory of a record that nobody needs any more for one of the next: fresh memory would
  // cost about as much as the digest. Safe on any thread.
  void reuse(Bytes bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a delta requires of its readers (Head.required_features).
inline constexpr char kDeltaFeature[] = "delta";
// True if the image says only what differs from its base.
bool is_delta(const v1::Head& head);

// Whether whoever reads has a delta's base too.
enum class Deltas { refused, taken };

// Checks that this reader knows all of head.required_features and the guest's shape (64 bit, 4
// levels). Throws Error(unsupported), naming the feature; Error(bad_image) for a delta that is
// refused, naming its base, or that names none.
void check_head(const v1::Head& head, Deltas deltas = Deltas::refused);
// "a1b2…": how sentences call an image by its SHA-256, whole.
std::string hex_of(const std::string& sha256);

}  // namespace ferry
