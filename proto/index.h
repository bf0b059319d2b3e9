// The index of an image: built up while the image is written, and taken apart again part by part.
// Private to this folder; readers use image_file.h, writers record_writer.h.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "proto/image_file.h"
#include "proto/pages.h"

namespace ferry {

// How many parts cover nr_pfns.
constexpr uint64_t index_parts(uint64_t nr_pfns) {
  return (nr_pfns + kPfnsPerIndexPart - 1) / kPfnsPerIndexPart;
}

// Remembers for each pfn which Pages record spoke of it last: 5 bytes a pfn, in pieces of 65536
// pfns that exist only once one of their pfns was mentioned.
class IndexBuilder {
 public:
  explicit IndexBuilder(uint64_t nr_pfns);

  // A Pages record of so many bytes at offset. Throws Error(internal) if a pfn is out of range.
  void add(uint64_t offset, uint64_t bytes, std::span<const PageRun> runs);

  uint64_t parts() const { return pieces_.size(); }
  v1::IndexPart part(uint64_t i) const;

  // Fills in kind_pages, pages_records and pages_bytes.
  void summarise(v1::IndexRoot& root) const;

 private:
  struct Piece {
    std::array<uint32_t, kPfnsPerIndexPart> record;  // which of records_
    std::array<uint8_t, kPfnsPerIndexPart> kind;     // PageKind, or kUnmentioned
  };
  struct Written {
    uint64_t offset;
    uint64_t bytes_per_page;  // 16 bits of it behind the point
  };

  Piece& piece_of(uint64_t pfn);

  uint64_t nr_pfns_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<Written> records_;
  uint64_t pages_bytes_ = 0;
};

// The entries of part i of a guest with nr_pfns, one for each pfn. Pages records can lie below
// end_of_data only. Throws Error(bad_image); place names the record in it.
std::vector<PageEntry> expand_index_part(const v1::IndexPart& part, uint64_t i, uint64_t nr_pfns,
                                         uint64_t end_of_data, const std::string& place);

}  // namespace ferry
