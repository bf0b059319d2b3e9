// Finds the image in a file: it is all of it, or what is between libxl's header and libxl's END.
#include "proto/image_place.h"

#include <algorithm>
#include <array>

#include "error/error.h"
#include "io/block_device.h"
#include "proto/xl_wrapper.h"

namespace ferry {
namespace {

// What a save that was broken off has left on a device (io/block_device.h).
bool looks_unfinished(std::span<const std::byte> first) {
  std::array<std::byte, kTurnedBytes> turned{};
  if (first.size() < turned.size()) return false;
  std::copy_n(first.begin(), turned.size(), turned.begin());
  turn_bits(turned);
  return looks_like_image(turned);
}

// Of an image that something follows: from record to record, until its End.
uint64_t bytes_until_end(const InputFile& file, uint64_t offset) {
  uint64_t at = offset;
  for (uint64_t sequence = 0;; ++sequence) {
    Bytes prefix(kRecordPrefix);
    if (file.size() - at < prefix.size()) break;
    file.read_at(at, prefix);
    const uint64_t whole = record_length(prefix, sequence, at - offset);
    if (whole > file.size() - at) break;
    if (std::ranges::equal(prefix, kEndPrefix)) {  // or another record of that length
      Bytes record(whole);
      file.read_at(at, record);
      if (frame_record(std::move(record), sequence, at - offset).kind == v1::Record::kEnd)
        return at + whole - offset;
    }
    at += whole;
  }
  fail(Errc::bad_image, "the device ends before the image does");
}

}  // namespace

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
  if (looks_unfinished(first))
    fail(Errc::bad_image, "a save into it was broken off: there is no whole image");
  check_magic(first);
  const Bytes libxl_end = place.in_xl_file ? encode_libxl_end() : Bytes();
  if (file.is_device())
    end = std::min(end, place.offset + bytes_until_end(file, place.offset) + libxl_end.size());
  if (place.in_xl_file) {
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
