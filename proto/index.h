// The index of an image: built up while the image is written, and taken apart again part by part.
// Private to this folder; readers use image_file.h, writers record_writer.h.
#pragma once

#include <span>
#include <vector>

#include "pfn_map/pfn_map.h"
#include "proto/image_file.h"
#include "proto/pages.h"

namespace ferry {

// How many parts cover nr_pfns.
constexpr uint64_t index_parts(uint64_t nr_pfns) {
  return (nr_pfns + kPfnsPerIndexPart - 1) / kPfnsPerIndexPart;
}

// Remembers for each pfn which Pages record spoke of it last: about 5 bytes for each that one did.
class IndexBuilder {
 public:
  explicit IndexBuilder(uint64_t nr_pfns);

  // A Pages record of so many bytes at offset. Throws Error(internal) if a pfn is out of range.
  void add(uint64_t offset, uint64_t bytes, std::span<const PageRun> runs);

  uint64_t parts() const { return index_parts(last_.size()); }
  v1::IndexPart part(uint64_t i) const;

  // Fills in kind_pages, pages_records and pages_bytes.
  void summarise(v1::IndexRoot& root) const;

 private:
  static constexpr uint8_t kUnmentioned = 0xff;
  struct [[gnu::packed]] Last {
    uint32_t record = 0;  // which of records_; 0 without data
    uint8_t kind = kUnmentioned;
    friend bool operator==(const Last& a, const Last& b) {
      return a.record == b.record && a.kind == b.kind;
    }
  };
  struct Run {
    uint64_t first;
    uint64_t count;
    Last last;
  };
  struct Written {
    uint64_t offset;
    uint64_t bytes_per_page;  // 16 bits of it behind the point
  };

  std::vector<Run> runs_of(uint64_t part) const;

  PfnMap<Last> last_;
  std::vector<Written> records_;
  uint64_t pages_bytes_ = 0;
};

// Part i of an index that says this: runs ascend within the part, none of them twice.
v1::IndexPart index_part_of(uint64_t i, std::span<const IndexRun> runs);

// What part i of the index of a guest with nr_pfns says. Pages records can lie below end_of_data
// only. Throws Error(bad_image); place names the record in it.
std::vector<IndexRun> read_index_part(const v1::IndexPart& part, uint64_t i, uint64_t nr_pfns,
                                      uint64_t end_of_data, const std::string& place);

}  // namespace ferry
