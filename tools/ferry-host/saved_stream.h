// A saved guest that comes in while it is restored: from standard input, or a FIFO.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "config/image_stream.h"
#include "host/stop_event.h"
#include "host/stoppable_stream.h"
#include "io/descriptor.h"
#include "sandbox/confined_child.h"

namespace ferry::host {

class SavedStream {
 public:
  // called: by people. confined: false reads the image in this process, for finding faults;
  // otherwise a process without rights reads it, and this process has one thread and nothing of Xen
  // open. Throws Error.
  SavedStream(Descriptor from, std::string called, bool confined);

  // The guest's configuration, once it has come in; as whoever has taken the reader over would have
  // it, too, if somebody could. Throws Error.
  SavedConfig read();

  // Writes to that pipe the xl file that xl restore reads: this header, the image as it comes in,
  // and libxl's end only if all of the image was whole. For a thread of its own. False if xl
  // stopped reading. Throws Error.
  bool feed(const XlHeader& header, int to);
  // xl has ended: nobody reads any more, so feed() does not wait for the rest of the image.
  void stop();

 private:
  std::string next_report();
  bool pass_on(int to);

  std::string called_;
  Descriptor from_, reports_, go_;
  // What the reader writes, which nobody sees before xl has the header that was judged.
  Descriptor out_;
  std::optional<sandbox::ConfinedChild> reader_;
  // Without a reader.
  helper::StopEvent stop_event_;
  std::optional<helper::StoppableSource> source_;
  std::optional<ImageStream> image_;
  std::atomic<bool> stopped_ = false, fed_ = false;
};

}  // namespace ferry::host
