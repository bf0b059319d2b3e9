// Single pages of an image, with one batch in memory at a time.
#pragma once

#include <optional>
#include <span>

#include "audit/page_map.h"
#include "proto/pages.h"

namespace ferry::audit {

// ImageFile has read_page() too, and a cache that suits random access; this one is for a few pages
// under a memory limit.
class PageReader {
 public:
  PageReader(const ImageFile& image, const PageMap& map) : image_(image), map_(map) {}

  // The version of a page with data that the index points at. False if there is no batch with the
  // page in that place (another rule says so). Throws Error(io).
  bool read(uint64_t pfn, std::span<std::byte, kPageSize> out);

  // visit(pfn, kind, page) for each page with data in the batch that was read last.
  template <typename Visit>
  void each_in_batch(Visit visit) const {
    if (!batch_) return;
    size_t at = 0;
    for (const PageRun& run : batch_->view.runs) {
      if (!has_data(run.kind)) continue;
      for (uint64_t i = 0; i < run.count; ++i, at += kPageSize)
        visit(run.first.raw() + i, run.kind, batch_->pages.subspan(at).first<kPageSize>());
    }
  }
  uint64_t batch_offset() const { return batch_ ? batch_->record.offset : 0; }

  // How many batches were read so far: what each costs is bounded, so this bounds the time.
  uint64_t batches_read() const { return batches_read_; }

 private:
  struct Batch {
    RawRecord record;
    PagesView view;
    PagesDecoder decoder;
    std::span<const std::byte> pages;
  };
  void load(uint64_t offset);

  const ImageFile& image_;
  const PageMap& map_;
  std::optional<Batch> batch_;
  uint64_t batches_read_ = 0;
};

}  // namespace ferry::audit
