// One save or restore of a guest, by either engine, and what it took.
#pragma once

#include <map>
#include <string>

#include "bench/cost.h"
#include "bench/race/guests.h"
#include "io/descriptor.h"

namespace ferry::bench {

enum class Sink { nothing, memory, disk };

inline constexpr Sink kSinks[] = {Sink::nothing, Sink::memory, Sink::disk};

const char* name_of(Sink sink);

// Level of zstd for ferry, 0 for raw pages.
inline constexpr int kStock = -1, kStockAndZstd = -2;

// Where images go, again and again: a memory file that keeps its pages, or a new file in folder
// that is on the disk before the clock stops.
class Race {
 public:
  Race(const BuiltGuest& guest, unsigned threads, std::string folder);

  // The image then is in image(level) if the sink is memory.
  Cost save(int level, Sink sink);
  // Of what was saved to memory before; the new domain is gone again afterwards, which is not
  // counted.
  Cost restore(int level);
  // Of the last save of this level that had memory as its sink.
  uint64_t image_bytes(int level) const;

 private:
  Descriptor open_sink(int level, Sink sink);
  int memory_of(int level);
  void save_to(int level, int fd, Sink to);
  void save_through_zstd(int fd);

  const BuiltGuest& guest_;
  const unsigned threads_;
  const std::string folder_;
  std::map<int, Descriptor> images_;
};

}  // namespace ferry::bench
