// What a live save has told of each page so far, to know what is not true any more.
//
//   63     55   54     53     52 51       44 43                          0
//  +--------+------+------+------+----------+-----------------------------+
//  |        | told | left | owed |   kind   |  machine frame, all ones: 0  |
//  +--------+------+------+------+----------+-----------------------------+
//
//   told  the image says something of it      left  the image has said that it has no frame
//   owed  what the image says is not enough: the page was put off, or never looked at
#pragma once

#include <atomic>
#include <vector>

#include "proto/pages.h"

namespace ferry {

// 8 bytes a pfn. Different pfns can be changed on different threads at the same time.
class PageStates {
 public:
  explicit PageStates(uint64_t nr_pfns) : words_(nr_pfns, kNoFrame | kOwed) {}

  uint64_t nr_pfns() const { return words_.size(); }

  void absent(pfn_t pfn);
  void sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind);
  // The page has another frame now, or none; the image is to say so later.
  void found_elsewhere(pfn_t pfn);
  void put_off(pfn_t pfn) { words_[pfn.raw()] |= kOwed; }

  bool owed(pfn_t pfn) const { return words_[pfn.raw()] & kOwed; }
  bool left(pfn_t pfn) const { return words_[pfn.raw()] & kLeft; }
  v1::PageKind kind(pfn_t pfn) const {
    return static_cast<v1::PageKind>(words_[pfn.raw()] >> kKindShift & 0xff);
  }
  // What the image says: no such page. It may have a frame all the same, which was not the guest's.
  bool is_absent(pfn_t pfn) const { return kind(pfn) == v1::ABSENT; }
  // True if the frame of the page is still the one that was sent.
  bool has_no_frame(pfn_t pfn) const { return (words_[pfn.raw()] & kNoFrame) == kNoFrame; }
  bool has_frame(pfn_t pfn, mfn_t mfn) const { return (words_[pfn.raw()] & kNoFrame) == mfn.raw(); }

  // True once a page that the image speaks of was found with another frame, or with none.
  bool frames_changed() const { return frames_changed_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kKindShift = 44;
  static constexpr uint64_t kNoFrame = (uint64_t{1} << kKindShift) - 1;
  static constexpr uint64_t kOwed = uint64_t{1} << 52;
  static constexpr uint64_t kLeft = uint64_t{1} << 53;
  static constexpr uint64_t kTold = uint64_t{1} << 54;

  void set(pfn_t pfn, uint64_t frame, v1::PageKind kind, uint64_t flags);

  std::vector<uint64_t> words_;
  std::atomic<bool> frames_changed_{false};
};

}  // namespace ferry
