// What is known of each page: from the index at first, from the records as they go by.
//
// 11 bytes and one bit for each pfn, allocated a part (65536 pfns) at a time as each part of the
// index has been read and found sound, so a head that lies about its size allocates nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2m/frames.h"
#include "proto/image_file.h"

namespace ferry::audit {

// The kind of a pfn about which the image says nothing.
inline constexpr auto kUnmentioned = static_cast<v1::PageKind>(255);

class PageMap {
 public:
  enum Mark : uint8_t {
    kGdtFrame = 1,      // a frame of some vCPU's GDT
    kLinearSource = 2,  // a table that maps another table of its own level
    kLinearTarget = 4,  // a table that is mapped by another of its own level
    kLeafFrame = 8,     // named by the list of p2m leaves
    kNewestSeen = 16,   // the latest record with this pfn is the one that the index names
    kSent = 32,         // some record has the page, with a frame
    kSentAgain = 64,    // more than one has
  };

  // Reads the whole index. Throws Error(bad_image).
  static PageMap load(const ImageFile& image);

  uint64_t size() const { return size_; }  // pfns; all others' arguments are below it

  // What the index says.
  v1::PageKind kind(uint64_t pfn) const {
    return static_cast<v1::PageKind>(part(pfn).kind[low(pfn)]);
  }
  // Of the Pages record with the last version; only for kinds with data.
  uint64_t record_offset(uint64_t pfn) const { return part(pfn).offset[low(pfn)]; }
  // True if the page has a frame.
  bool populated(uint64_t pfn) const {
    v1::PageKind k = kind(pfn);
    return k != v1::ABSENT && k != kUnmentioned;
  }

  // Notes that the record at this offset has the pfn. In order of the records, from one thread.
  void see(uint64_t pfn, v1::PageKind kind, uint64_t offset);
  // The kind that the last record with this pfn gave it, or kUnmentioned.
  v1::PageKind seen_kind(uint64_t pfn) const {
    return static_cast<v1::PageKind>(part(pfn).seen[low(pfn)]);
  }

  // Marks may be set and read on any thread.
  void mark(uint64_t pfn, Mark mark) {
    part(pfn).marks[low(pfn)].fetch_or(mark, std::memory_order_relaxed);
  }
  bool marked(uint64_t pfn, Mark mark) const {
    return (part(pfn).marks[low(pfn)].load(std::memory_order_relaxed) & mark) != 0;
  }

  // The p2m has an entry for this pfn that is the page itself. pfns of different leaves (512 each)
  // may be noted on different threads.
  void set_in_p2m(uint64_t pfn) { part(pfn).in_p2m[low(pfn) / 64] |= uint64_t{1} << (pfn % 64); }
  bool in_p2m(uint64_t pfn) const {
    return (part(pfn).in_p2m[low(pfn) / 64] >> (pfn % 64) & 1) != 0;
  }

 private:
  static constexpr uint64_t kPartPfns = 65536;
  struct Part {
    explicit Part(size_t pfns)
        : kind(pfns), seen(pfns, 255), offset(pfns), marks(pfns), in_p2m((pfns + 63) / 64) {}
    std::vector<uint8_t> kind, seen;
    std::vector<uint64_t> offset;
    std::vector<std::atomic<uint8_t>> marks;
    std::vector<uint64_t> in_p2m;
  };

  static size_t low(uint64_t pfn) { return pfn % kPartPfns; }
  Part& part(uint64_t pfn) { return *parts_[pfn / kPartPfns]; }
  const Part& part(uint64_t pfn) const { return *parts_[pfn / kPartPfns]; }

  uint64_t size_ = 0;
  std::vector<std::unique_ptr<Part>> parts_;
};

// "a data page", "an L2 table", "absent": how sentences call a kind of page.
std::string describe(v1::PageKind kind);
// The same for a pfn of any size, "beyond the guest" included.
std::string describe(const PageMap& map, uint64_t pfn);

}  // namespace ferry::audit
