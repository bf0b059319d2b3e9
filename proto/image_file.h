// A saved image as a file that can be asked for any page: finds End and the index first.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/byte_stream.h"
#include "io/input_file.h"
#include "p2m/frames.h"
#include "proto/pages.h"
#include "proto/record.h"

namespace ferry {

// Where an image lies in a file, and what is around it.
struct ImagePlace {
  uint64_t offset = 0;  // of the image's first byte in the file
  uint64_t bytes = 0;   // of the image, from End
  bool in_xl_file = false;
  bool of_libvirt = false;  // in its file, that is, which has no config of xl's
  std::string xl_config;    // the xl header's config, JSON as a rule; empty for a bare image
  uint32_t xl_flags = 0;
};

// One pfn as the index has it.
struct PageEntry {
  v1::PageKind kind = v1::ABSENT;
  bool mentioned = false;      // false: not in this image (a delta leaves pages out)
  uint64_t record_offset = 0;  // of its Pages record, if kind has data
};

// Pfns of which the index says one and the same.
struct IndexRun {
  uint64_t first = 0;
  uint64_t count = 0;
  v1::PageKind kind = v1::ABSENT;
  uint64_t record_offset = 0;  // of their Pages record, if kind has data
};

class ImageSource;

// Thread-safe for reading. All methods throw Error(bad_image) or Error(io).
class ImageFile {
 public:
  // Opens a bare image or an xl save file that holds one. A file that is neither is refused with
  // Error(bad_image) saying what it seems to be.
  // So is a delta without its base.
  static ImageFile open(const std::string& path);
  static ImageFile open(InputFile file);
  // A delta too, by itself: pfns that it says nothing about are not mentioned.
  static ImageFile open_link(InputFile file);
  // A delta with all that it builds upon, as one image: the oldest first, which is no delta.
  // Offsets are those of stream(), which has the records of all links: first what the newest says
  // before its pages, then the Pages records from the oldest to the newest, then the rest of the
  // newest. Each link must name the one before it, by size and digest: that it names those very
  // bytes is checked in delta/. Throws Error(bad_image), naming the link.
  static ImageFile open_chain(const std::vector<InputFile>& links);
  // What is no file (proto/image_source.h).
  static ImageFile of(std::shared_ptr<const ImageSource> source);
  ~ImageFile();
  ImageFile(ImageFile&&) noexcept;
  ImageFile& operator=(ImageFile&&) noexcept;

  const ImagePlace& place() const;
  const v1::Head& head() const;
  const v1::IndexRoot& index_root() const;
  const v1::End& end() const;

  // A source over the whole image, from its first byte, for RecordReader.
  std::unique_ptr<ByteSource> stream() const;

  // The record at this offset, digest checked.
  RawRecord read_record(uint64_t offset) const;

  // Calls visit(record) for all records but Pages and the index, in order, digests checked: one at
  // a time, since an image may have any number of them. visit returns false to see no more.
  void for_each_other(const std::function<bool(const RawRecord&)>& visit) const;

  // The index of 65536 pfns from part * 65536: an entry for each pfn.
  std::vector<PageEntry> read_part(uint64_t part) const;
  // The same as runs, ascending; pfns that are in none of them are not mentioned.
  std::vector<IndexRun> read_part_runs(uint64_t part) const;
  uint64_t parts() const;

  // The last version of one page. False if it has no data (out is then untouched).
  bool read_page(pfn_t pfn, std::span<std::byte, kPageSize> out) const;

 private:
  ImageFile();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
