// An image that is one file: End at its end leads to the index's root, that to everything else.
//
//   bare      | Magic | Head | data … | IndexPart 0 | IndexPart 1 | … | IndexRoot | End |
//   from xl   | xl header, libxl header | the same | libxl END, 8 |
#include "proto/single_image.h"

#include <algorithm>

#include "proto/image_place.h"
#include "proto/index.h"
#include "proto/wire.h"

namespace ferry {

std::vector<uint64_t> absolute_offsets(const google::protobuf::RepeatedField<uint64_t>& distances,
                                       uint64_t limit, const char* what) {
  std::vector<uint64_t> offsets;
  offsets.reserve(static_cast<size_t>(distances.size()));
  uint64_t offset = 0;
  for (const uint64_t distance : distances) {
    if (distance == 0 || distance >= limit - offset)
      fail(Errc::bad_image, "the index's root names a place for {} where none can be", what);
    offset += distance;
    offsets.push_back(offset);
  }
  return offsets;
}

SingleImage::SingleImage(InputFile file, Deltas deltas) : file_(std::move(file)) {
  named([&] {
    place_ = find_image(file_);
    read_end();
    read_root();
    read_head(deltas);
  });
}

RawRecord SingleImage::raw(uint64_t offset) const {
  return named([&] { return read_raw(offset); });
}

std::vector<IndexRun> SingleImage::part(uint64_t i) const {
  return named([&] { return read_part(i); });
}

Bytes SingleImage::peek(uint64_t offset, size_t bytes) const {
  Bytes there(std::min<uint64_t>(bytes, place_.bytes - std::min(offset, place_.bytes)));
  file_.read_at(place_.offset + offset, there);
  return there;
}

RawRecord SingleImage::read_raw(uint64_t offset) const {
  if (offset >= place_.bytes || place_.bytes - offset < kRecordPrefix + 9)
    fail(Errc::bad_image, "there is no record at byte {}: the image ends at byte {}", offset,
         place_.bytes);
  Bytes bytes(kRecordPrefix + 9);
  file_.read_at(place_.offset + offset, bytes);
  const auto sequence =
      wire::get_fixed<uint64_t>(std::span<const std::byte>(bytes).subspan(kRecordPrefix + 1));
  const size_t whole = record_length(bytes, sequence, offset);
  if (whole > place_.bytes - offset)
    fail(Errc::bad_image, "record {} at byte {} goes beyond the end of the image", sequence,
         offset);
  bytes.resize(whole);
  file_.read_at(place_.offset + offset, bytes);
  RawRecord record = frame_record(std::move(bytes), sequence, offset);
  check_digest(record);
  return record;
}

v1::Record SingleImage::parsed(uint64_t offset, uint32_t kind, const char* what) const {
  const RawRecord record = read_raw(offset);
  if (record.kind != kind)
    fail(Errc::bad_image, "{} is not {}, which belongs there", place_of(record), what);
  return parse_record(record);
}

void SingleImage::read_end() {
  const auto missing = [&] {
    fail(Errc::bad_image,
         "there is no End record where the image ends: it is cut off, or something follows it");
  };
  if (place_.bytes < kMagicRecord + kEndRecord) missing();
  const uint64_t offset = place_.bytes - kEndRecord;
  Bytes prefix(kRecordPrefix);
  file_.read_at(place_.offset + offset, prefix);
  if (!std::ranges::equal(prefix, kEndPrefix)) missing();
  const v1::Record record = parsed(offset, v1::Record::kEnd, "End");
  end_ = record.end();
  if (end_.bytes() != place_.bytes)
    fail(Errc::bad_image, "the image should have {} bytes, but there are {}", end_.bytes(),
         place_.bytes);
  if (end_.records() != record.sequence() + 1)
    fail(Errc::bad_image, "the End record is number {}, but says there are {} records",
         record.sequence(), end_.records());
}

void SingleImage::read_root() {
  const uint64_t offset = end_.index_root_offset();
  const RawRecord raw_root = read_raw(offset);
  if (raw_root.kind != v1::Record::kIndexRoot || raw_root.sequence + 2 != end_.records() ||
      offset + raw_root.bytes.size() + kEndRecord != place_.bytes)
    fail(Errc::bad_image, "{} is not the index's root, which belongs right before End",
         place_of(raw_root));
  root_ = parse_record(raw_root).index_root();
  part_offsets_ = absolute_offsets(root_.part_offsets(), offset, "a part of the index");
  other_offsets_ = absolute_offsets(root_.other_offsets(), offset, "a record");
  if (root_.kind_pages_size() % 3 != 0)
    fail(Errc::bad_image, "{}, the index's root, has malformed sums", place_of(raw_root));
}

void SingleImage::read_head(Deltas deltas) {
  head_ = parsed(kMagicRecord, v1::Record::kHead, "Head").head();
  check_head(head_, deltas);
  if (part_offsets_.size() != index_parts(head_.nr_pfns()))
    fail(Errc::bad_image, "the index has {} parts; a guest with {} pfns needs {}",
         part_offsets_.size(), head_.nr_pfns(), index_parts(head_.nr_pfns()));
}

std::vector<IndexRun> SingleImage::read_part(uint64_t i) const {
  if (i >= part_offsets_.size())
    fail(Errc::bad_image, "the index has no part {}, only {}", i, part_offsets_.size());
  const RawRecord record = read_raw(part_offsets_[i]);
  const v1::Record message = parse_record(record);
  if (record.kind != v1::Record::kIndexPart)
    fail(Errc::bad_image, "{} is not part {} of the index", place_of(record), i);
  return read_index_part(message.index_part(), i, head_.nr_pfns(), part_offsets_[0],
                         place_of(record));
}

}  // namespace ferry
