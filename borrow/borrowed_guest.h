// A running guest as an image: its pages are asked for when somebody reads them. Nothing of Xen.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "borrow/questions.h"
#include "proto/image_file.h"

namespace ferry::borrow {

// Who has the guest, at the other end of two descriptors. Thread-safe.
class Lender {
 public:
  // Descriptors stay open as long as this lives, and stay the caller's. what: how messages name the
  // guest.
  Lender(int from, int to, std::string what);

  // Throws what the other side says, Error(io).
  Bytes ask(const Question& question);
  Seen seen();
  const std::string& what() const { return what_; }

 private:
  std::mutex mutex_;
  FdSource source_;
  FdSink sink_;
  std::string what_;
};

// The guest as it is now: which pages it has, of which kind, and its vCPUs, are those of this
// moment; what is in a page is that of the moment in which it is read. Whoever reads pages twice
// may find two versions. Its records have no places in a file: an offset is a number to ask by.
// Asked by one image at a time: the next one looks anew. Throws Error.
ImageFile open_borrowed(std::shared_ptr<Lender> lender);

}  // namespace ferry::borrow
