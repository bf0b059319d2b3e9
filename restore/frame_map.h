// What a restored guest has so far: for each pfn the frame it got and what the image put there.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "p2m/frames.h"
#include "proto/pages.h"

namespace ferry {

// Grows by 65536 pfns as they are touched, so a hostile nr_pfns costs nothing: about 9 bytes a pfn.
class FrameMap {
 public:
  explicit FrameMap(uint64_t nr_pfns);

  uint64_t nr_pfns() const { return nr_pfns_; }

  // Policy of canonicalize/table.h: true, and the frame, if the pfn has one. Any pfn may be asked.
  bool mfn_of(pfn_t pfn, mfn_t& mfn) const;
  bool has_frame(pfn_t pfn) const {
    mfn_t ignored;
    return mfn_of(pfn, ignored);
  }
  void set_frame(pfn_t pfn, mfn_t mfn);
  void clear_frame(pfn_t pfn);

  // The kind of the last page the image had for this pfn; ABSENT if it had none.
  v1::PageKind kind(pfn_t pfn) const;
  void set_kind(pfn_t pfn, v1::PageKind kind);

  // Calls visit(pfn, mfn, kind) for each pfn that has a frame, ascending.
  template <typename Visit>
  void for_each_frame(Visit visit) const {
    for (size_t c = 0; c < chunks_.size(); ++c) {
      if (!chunks_[c]) continue;
      for (size_t i = 0; i < kChunk; ++i)
        if (chunks_[c]->mfns[i] != kNone)
          visit(pfn_t(c * kChunk + i), mfn_t(chunks_[c]->mfns[i]),
                static_cast<v1::PageKind>(chunks_[c]->kinds[i]));
    }
  }

 private:
  static constexpr uint64_t kChunk = 1 << 16;
  static constexpr uint64_t kNone = ~uint64_t{0};
  struct Chunk {
    Chunk() : mfns(kChunk, kNone), kinds(kChunk, static_cast<uint8_t>(v1::ABSENT)) {}
    std::vector<uint64_t> mfns;
    std::vector<uint8_t> kinds;
  };
  Chunk& chunk(pfn_t pfn);
  const Chunk* find(pfn_t pfn) const;

  uint64_t nr_pfns_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace ferry
