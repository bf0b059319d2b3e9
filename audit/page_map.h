// What is known of each page: from the index at first, from the records as they go by.
//
// Some 12 bytes for each pfn that the image says something about, and next to nothing for the
// others or where thousands in a row are alike: a head that lies about its size allocates nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

#include "p2m/frames.h"
#include "pfn_map/pfn_map.h"
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
    kInP2m = 128,       // the p2m has an entry for this pfn that is the page itself
  };

  // Reads the whole index. Throws Error(bad_image).
  static PageMap load(const ImageFile& image);

  uint64_t size() const { return pages_.size(); }  // pfns; all others' arguments are below it

  // What the index says.
  v1::PageKind kind(uint64_t pfn) const { return pages_.get(pfn).indexed(); }
  // Of the Pages record with the last version; only for kinds with data.
  uint64_t record_offset(uint64_t pfn) const { return pages_.get(pfn).offset(); }
  // True if the page has a frame.
  bool populated(uint64_t pfn) const { return pages_.get(pfn).populated(); }

  // Notes that the record at this offset has these pfns. In order of the records, from one thread.
  void see(uint64_t first, uint64_t count, v1::PageKind kind, uint64_t offset);
  // The kind that the last record with this pfn gave it, or kUnmentioned.
  v1::PageKind seen_kind(uint64_t pfn) const {
    return static_cast<v1::PageKind>(std::min(pages_.get(pfn).seen, unindexed_.get(pfn)));
  }

  // Marks may be set and read on any thread. Pages without a frame take none.
  void mark(uint64_t pfn, Mark mark) {
    if (populated(pfn) && !marked(pfn, mark)) set_marks(*pages_.own(pfn), mark);
  }
  bool marked(uint64_t pfn, Mark mark) const { return (marks_of(pages_.get(pfn)) & mark) != 0; }

  // visit(first, count, kind, seen kind, marks, record offset) for runs of pfns that are alike,
  // ascending.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    runs_within(0, size(), visit);
  }
  template <typename Visit>
  void runs_within(uint64_t begin, uint64_t many, Visit visit) const {
    pages_.runs_within(begin, many, [&](uint64_t first, uint64_t count, const Page& page) {
      if (page.kind != kNone)
        return visit(first, count, page.indexed(), static_cast<v1::PageKind>(page.seen),
                     marks_of(page), page.offset());
      unindexed_.runs_within(first, count, [&](uint64_t from, uint64_t n, uint8_t seen) {
        visit(from, n, kUnmentioned, static_cast<v1::PageKind>(seen), uint8_t{0}, uint64_t{0});
      });
    });
  }

 private:
  static constexpr uint8_t kNone = 255;  // kUnmentioned
  struct Page {
    uint32_t offset_low = 0;
    uint16_t offset_high = 0;
    uint8_t kind = kNone, seen = kNone, marks = 0;

    v1::PageKind indexed() const { return static_cast<v1::PageKind>(kind); }
    uint64_t offset() const { return uint64_t{offset_high} << 32 | offset_low; }
    bool populated() const { return kind != v1::ABSENT && kind != kNone; }
  };

  static uint8_t marks_of(const Page& page) {
    return std::atomic_ref(const_cast<uint8_t&>(page.marks)).load(std::memory_order_relaxed);
  }
  static void set_marks(Page& page, uint8_t marks) {
    std::atomic_ref(page.marks).fetch_or(marks, std::memory_order_relaxed);
  }
  static void see(Page& page, v1::PageKind kind, uint64_t offset);

  explicit PageMap(uint64_t pfns) : pages_(pfns), unindexed_(pfns, kNone) {}

  PfnMap<Page> pages_;
  PfnMap<uint8_t> unindexed_;  // kinds that records gave pfns of which the index says nothing
};

// "a data page", "an L2 table", "absent": how sentences call a kind of page.
std::string describe(v1::PageKind kind);
// The same for a pfn of any size, "beyond the guest" included.
std::string describe(const PageMap& map, uint64_t pfn);

}  // namespace ferry::audit
