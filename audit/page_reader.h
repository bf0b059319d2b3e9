// Single pages of an image, with one batch in memory at a time.
#pragma once

#include <optional>
#include <span>

#include "audit/page_map.h"

namespace ferry::audit {

// ImageFile has read_page() too, and a cache that suits random access; this one is for a few pages
// under a memory limit.
class PageReader {
 public:
  PageReader(const ImageFile& image, const PageMap& map) : image_(image), map_(map) {}

  // The version of a page with data that the index points at. False if there is no batch with the
  // page in that place (another rule says so). Throws Error(io).
  bool read(uint64_t pfn, std::span<std::byte, kPageSize> out);

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
};

}  // namespace ferry::audit
