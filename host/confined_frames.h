// What another host says over a pipe, decoded in a process without rights: ferry receive --stdio
// has no TLS of its own to take apart, but messages of somebody else's all the same.
#pragma once

#include <optional>

#include "io/descriptor.h"
#include "sandbox/confined_child.h"

namespace ferry::host {

class ConfinedFrames {
 public:
  // Not in builds with sanitizers.
  static bool possible() { return sandbox::can_confine(); }

  // from: what is read, by nobody else from now on; it outlives this. This process has one thread.
  // Throws Error.
  explicit ConfinedFrames(int from);
  // Ends the process, and complains if something else has ended it.
  ~ConfinedFrames();
  ConfinedFrames(const ConfinedFrames&) = delete;
  ConfinedFrames& operator=(const ConfinedFrames&) = delete;

  // The same frames in plain form (migrate/plain_frame.h).
  int plain() const { return plain_.get(); }

 private:
  bool ended_by_itself() const;

  Descriptor plain_;
  std::optional<sandbox::ConfinedChild> child_;
};

}  // namespace ferry::host
