// Memory that the reader of an image and the engine share: the reader puts pages there, the engine
// takes copies.
//
//   | place 0 | place 1 | … |      a place: the pages of one record, 1024 at most, then nothing
//
// Records with pages use the places in turn. The reader takes a turn before it writes into a place,
// the engine gives one back when it has what it wanted; so many are under way as there are places.
// Nothing holds a reader to that: it can write everywhere at any time, so what the engine sees
// there may change while it looks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "intake/guest_records.h"
#include "io/descriptor.h"

namespace ferry {

class PageRing {
 public:
  // Of so many places, before the process of the reader is made, which has it too. Throws
  // Error(no_memory).
  explicit PageRing(unsigned places);
  ~PageRing();
  PageRing(const PageRing&) = delete;
  PageRing& operator=(const PageRing&) = delete;

  unsigned places() const { return places_; }
  // Of the n-th record with pages, counted from 0.
  std::span<std::byte> place(uint64_t n) const {
    return {memory_ + n % places_ * kPlaceBytes, kPlaceBytes};
  }

  // Adds turns; never blocks, whatever the other side does. Throws Error(io).
  void give_turns(unsigned turns) const;
  // Takes one, or waits for it. Throws Error(io).
  void take_turn() const;
  // What the process of a reader has to keep open.
  int turns_fd() const { return turns_.get(); }

  static constexpr size_t kPlaceBytes = kMostPagesAtOnce * kPageSize;

 private:
  unsigned places_;
  std::byte* memory_ = nullptr;
  Descriptor turns_;  // an eventfd that counts them
};

}  // namespace ferry
