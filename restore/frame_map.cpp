// What a restored guest has so far: for each pfn the frame it got and what the image put there.
#include "restore/frame_map.h"

#include "error/error.h"

namespace ferry {
namespace {

// 16 TiB: more than any PV guest can have, little enough for a table of chunks.
constexpr uint64_t kMostPfns = uint64_t{1} << 32;

}  // namespace

FrameMap::FrameMap(uint64_t nr_pfns) : nr_pfns_(nr_pfns) {
  if (nr_pfns == 0 || nr_pfns > kMostPfns)
    fail(Errc::bad_image, "the image is of a guest with {} pages, which cannot be", nr_pfns);
  chunks_.resize((nr_pfns + kChunk - 1) / kChunk);
}

const FrameMap::Chunk* FrameMap::find(pfn_t pfn) const {
  return pfn.raw() < nr_pfns_ ? chunks_[pfn.raw() / kChunk].get() : nullptr;
}

FrameMap::Chunk& FrameMap::chunk(pfn_t pfn) {
  auto& slot = chunks_.at(pfn.raw() / kChunk);
  if (!slot) slot = std::make_unique<Chunk>();
  return *slot;
}

bool FrameMap::mfn_of(pfn_t pfn, mfn_t& mfn) const {
  const Chunk* c = find(pfn);
  if (!c || c->mfns[pfn.raw() % kChunk] == kNone) return false;
  mfn = mfn_t(c->mfns[pfn.raw() % kChunk]);
  return true;
}

void FrameMap::set_frame(pfn_t pfn, mfn_t mfn) {
  chunk(pfn).mfns[pfn.raw() % kChunk] = mfn.raw();
}

void FrameMap::clear_frame(pfn_t pfn) {
  chunk(pfn).mfns[pfn.raw() % kChunk] = kNone;
}

v1::PageKind FrameMap::kind(pfn_t pfn) const {
  const Chunk* c = find(pfn);
  return c ? static_cast<v1::PageKind>(c->kinds[pfn.raw() % kChunk]) : v1::ABSENT;
}

void FrameMap::set_kind(pfn_t pfn, v1::PageKind kind) {
  chunk(pfn).kinds[pfn.raw() % kChunk] = static_cast<uint8_t>(kind);
}

}  // namespace ferry
