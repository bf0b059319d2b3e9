// Finds the image in a file: it is all of it, or what is between libxl's header and libxl's END.
#include "proto/image_place.h"

#include <algorithm>

#include "error/error.h"
#include "proto/xl_wrapper.h"

namespace ferry {

ImagePlace find_image(const InputFile& file) {
  ImagePlace place;
  Bytes first(std::min<uint64_t>(file.size(), kMagicRecord));
  file.read_at(0, first);
  uint64_t end = file.size();
  if (looks_like_xl_file(first)) {
    FileSource source(file, 0, file.size());
    XlHeader header = read_xl_header(source);
    place.in_xl_file = true;
    place.of_libvirt = header.of_libvirt;
    place.offset = source.position();
    place.xl_config = std::move(header.config);
    place.xl_flags = header.mandatory_flags;
    first.resize(std::min<uint64_t>(file.size() - place.offset, kMagicRecord));
    file.read_at(place.offset, first);
  }
  check_magic(first);
  if (place.in_xl_file) {
    const Bytes libxl_end = encode_libxl_end();
    Bytes tail(libxl_end.size());
    file.read_at(end - libxl_end.size(), tail);
    if (tail != libxl_end)
      fail(Errc::bad_image,
           "the file does not end with libxl's END: it is cut off, or something follows");
    end -= libxl_end.size();
  }
  place.bytes = end - place.offset;
  return place;
}

}  // namespace ferry
