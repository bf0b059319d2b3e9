// What the machine can do at all: each part of a save alone, over the pages of one guest.
#pragma once

#include <map>
#include <string>

#include "bench/cost.h"
#include "bench/race/guests.h"

namespace ferry::bench {

// All on all cores at once, but for those whose name says "one".
struct Ceilings {
  Cost read;       // each byte of each page
  Cost zero_test;  // each page until something of it is not zero
  Cost map;        // one: frames mapped and given back, 512 at a time
  Cost types;      // one: asked of the hypervisor, 512 at a time
  Cost copy;       // pages that are not zero, into 2 MiB that are used again
  Cost hash;       // XXH3-128 of them
  Cost fused;      // copied and hashed page by page
  Cost compress;   // zstd of 2 MiB at a time
  Cost decode;     // of what that gave, where it is smaller
  Cost read_one;   // one: as many bytes as they have, from a memory file
  Cost write_one;  // one: as many bytes as they have, written over what a memory file has
  Cost write_all;  // the same by all cores into one file
  Cost pipe;       // as many bytes through a pipe
};

class Measure {
 public:
  Measure(const BuiltGuest& guest, unsigned threads);
  ~Measure();
  // level: of zstd for compress and decode.
  Ceilings all(int level);

 private:
  template <typename Work>
  Cost over(const std::vector<const std::byte*>& pages, Work work) const;
  Cost map() const;
  Cost types() const;
  Cost compress(int level) const;
  void keep_frames(int level);
  Cost decode() const;
  Cost read_one() const;
  Cost write(unsigned writers) const;
  Cost through_pipe() const;

  const BuiltGuest& guest_;
  const unsigned threads_;
  int file_;
  struct Frame {
    std::vector<std::byte> bytes;
    size_t decoded;  // bytes that come of it
  };
  std::vector<Frame> frames_;  // of the guest's pages, compressed once
};

// Seconds and processor seconds of writing so many bytes with O_DIRECT, one after the other, into a
// new file in folder, until they are on the disk; nothing where that cannot be done.
Cost direct_write(const std::string& folder, uint64_t bytes);

}  // namespace ferry::bench
