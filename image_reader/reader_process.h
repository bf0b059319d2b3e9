// The reader of an image as a process without rights: it has the image's descriptor, the memory and
// the pipe that it shares with the engine (intake/), and nothing else.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "intake/guest_records.h"
#include "intake/page_ring.h"
#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "sandbox/confined_child.h"

namespace ferry {

class ReaderProcess {
 public:
  // Starts it; it reads nothing before somebody wants its records. Make it before this process has
  // what it should not see: it gets a copy of our memory. This process has one thread. image: stays
  // open here. threads: of its executor. Throws Error(no_memory), Error(io).
  ReaderProcess(const sandbox::Confined& how, int image, unsigned threads);

  // What it says to the engine is read from here.
  int messages_fd() const { return messages_.get(); }
  const PageRing& ring() const { return ring_; }
  pid_t pid() const { return child_->pid(); }

  void begin() const;
  // It has said all that it had to say: ends it, if it does not end by itself now. Throws
  // Error(internal), saying how it ended, if that was not of its own will and well.
  void end();

 private:
  PageRing ring_;
  Descriptor messages_;
  std::optional<sandbox::ConfinedChild> child_;
};

// The records of the image that such a process reads.
class ConfinedRecords final : public RecordSource {
 public:
  // messages: over the process's messages_fd(). held: as PipedRecords has it.
  ConfinedRecords(ReaderProcess& reader, ByteSource& messages, std::function<void(int)> held)
      : reader_(reader), messages_(messages), held_(std::move(held)) {}

  // Once. Throws as PipedRecords does; Error(internal) if a signal ended the process, SIGSYS above
  // all.
  void read(GuestRecords& into) override;

 private:
  ReaderProcess& reader_;
  ByteSource& messages_;
  std::function<void(int)> held_;
};

}  // namespace ferry
