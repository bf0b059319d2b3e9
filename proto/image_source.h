// What ImageFile reads: one file, several that are one image together, or what is made into one as
// it is read (borrow/).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/byte_stream.h"
#include "proto/image_file.h"

namespace ferry {

// All methods throw Error naming the file, and are thread-safe.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  virtual const ImagePlace& place() const = 0;
  virtual const v1::Head& head() const = 0;
  virtual const v1::IndexRoot& root() const = 0;
  virtual const v1::End& end() const = 0;
  virtual std::unique_ptr<ByteSource> stream() const = 0;

  // The record at this offset of the image, digest checked.
  virtual RawRecord raw(uint64_t offset) const = 0;
  // Part i of the index.
  virtual std::vector<IndexRun> part(uint64_t i) const = 0;
  // Of the file that holds the record at this offset.
  virtual const std::string& path_of(uint64_t offset) const = 0;
};

// Where the index's root says that something lies. limit: what comes behind. Throws
// Error(bad_image).
std::vector<uint64_t> absolute_offsets(const google::protobuf::RepeatedField<uint64_t>& distances,
                                       uint64_t limit, const char* what);

}  // namespace ferry
