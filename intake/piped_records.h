// The engine's end of the way from the reader: messages (message.h) become records.
//
// The reader may have been taken over by the image that it reads. Whatever its messages say is
// checked here for its form, and by who takes the records for its meaning; pages are handed on
// where they lie, in memory that the reader can still write to.
#pragma once

#include <functional>
#include <utility>

#include "error/error.h"
#include "intake/guest_records.h"
#include "intake/page_ring.h"
#include "io/byte_stream.h"

namespace ferry {

// Nothing more comes from the reader, which had not said that it was done.
class ReaderGone : public Error {
 public:
  ReaderGone() : Error(Errc::internal, "what reads the image ended before it was done") {}
};

class PipedRecords final : public RecordSource {
 public:
  // held: what the reader says first, why seccomp does not hold it (an errno, or 0). All turns of
  // the ring were given. All must outlive us.
  PipedRecords(ByteSource& messages, const PageRing& ring, std::function<void(int)> held)
      : messages_(messages), ring_(ring), held_(std::move(held)) {}

  // Throws the reader's own Error as it said it, ReaderGone, and Error(internal) for a message that
  // makes no sense.
  void read(GuestRecords& into) override;

 private:
  class Message;
  Message next();
  void check_order(const Message& message) const;
  void hand_on(Message& message, GuestRecords& into);
  void hand_on_pages(Message& message, GuestRecords& into);

  ByteSource& messages_;
  const PageRing& ring_;
  std::function<void(int)> held_;
  bool has_held_ = false, has_head_ = false;
  uint64_t turns_ = 0;  // taken, and given back
};

}  // namespace ferry
