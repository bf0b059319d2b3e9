// A delta with what it builds upon, as the one image that a restore reads from a stream.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <thread>

#include "delta/image_files.h"
#include "io/descriptor.h"
#include "sandbox/confined_child.h"

namespace ferry::host {

class SquashedChain {
 public:
  // Begins: a process without rights proves each link, and then writes the image into a pipe.
  // confined: false does that in a thread of this process, for finding faults; otherwise this
  // process has one thread and nothing of Xen open.
  SquashedChain(const delta::ImageFiles& files, bool confined);
  ~SquashedChain();

  // Where the image comes from. It is the caller's.
  Descriptor image() { return std::move(image_); }
  // Throws what was wrong with the chain, once the image has ended too early.
  void throw_if_failed();

 private:
  Descriptor image_, reports_;
  std::string called_;
  std::optional<sandbox::ConfinedChild> child_;
  std::thread thread_;
  std::exception_ptr failure_;
};

}  // namespace ferry::host
