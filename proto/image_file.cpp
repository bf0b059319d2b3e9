// A saved image as a file: End at its end leads to the index's root, that to everything else.
//
//   bare      | Magic | Head | data … | IndexPart 0 | IndexPart 1 | … | IndexRoot | End |
//   from xl   | xl header, libxl header | the same | libxl END, 8 |
#include "proto/image_file.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "error/error.h"
#include "io/input_file.h"
#include "proto/image_place.h"
#include "proto/index.h"
#include "proto/record_reader.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr size_t kCached = 8;  // decoded Pages records, and parts of the index

// The few things used last, for any number of threads.
template <typename T>
class Cache {
 public:
  template <typename Make>
  std::shared_ptr<const T> get(uint64_t key, Make make) {
    {
      std::lock_guard lock(mutex_);
      for (auto& [its_key, value] : recent_) {
        if (its_key != key) continue;
        std::swap(recent_.front(), *std::ranges::find(recent_, key, &Entry::first));
        return recent_.front().second;
      }
    }
    std::shared_ptr<const T> made = make();
    std::lock_guard lock(mutex_);
    if (recent_.size() == kCached) recent_.pop_back();
    recent_.insert(recent_.begin(), {key, made});
    return made;
  }

 private:
  using Entry = std::pair<uint64_t, std::shared_ptr<const T>>;
  std::mutex mutex_;
  std::vector<Entry> recent_;
};

// A Pages record, decompressed.
struct DecodedPages {
  DecodedPages(RawRecord from, uint64_t nr_pfns)
      : record(std::move(from)),
        view(decode_pages(record, nr_pfns)),
        pages(decoder.decompress(record, view)) {}

  // Nothing if the record has no data for this pfn, or another kind of it.
  std::span<const std::byte> page(pfn_t pfn, v1::PageKind kind) const {
    uint64_t before = 0;
    for (const PageRun& run : view.runs) {
      if (pfn >= run.first && pfn < run.first + run.count)
        return run.kind == kind ? pages.subspan((before + (pfn - run.first)) * kPageSize, kPageSize)
                                : std::span<const std::byte>();
      if (has_data(run.kind)) before += run.count;
    }
    return {};
  }

  RawRecord record;
  PagesView view;
  PagesDecoder decoder;
  std::span<const std::byte> pages;
};

std::vector<uint64_t> absolute(const google::protobuf::RepeatedField<uint64_t>& distances,
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

}  // namespace

struct ImageFile::State {
  explicit State(InputFile opened) : file(std::move(opened)) {}

  void open();
  void read_end();
  void read_root();
  void read_head();

  RawRecord raw(uint64_t offset) const;
  // The same; it must be of this kind.
  v1::Record parsed(uint64_t offset, uint32_t kind, const char* what) const;
  std::vector<IndexRun> part(uint64_t i) const;
  std::span<const std::byte> page(pfn_t pfn, std::shared_ptr<const DecodedPages>& keep) const;

  // Puts the file's name in front of what went wrong.
  template <typename Body>
  auto named(Body body) const {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() == Errc::io) throw;  // has it already
      throw Error(error.code(), fmt::format("{}: {}", file.path(), error.what()), error.os_errno());
    }
  }

  InputFile file;
  ImagePlace place;
  v1::End end;
  v1::IndexRoot root;
  v1::Head head;
  std::vector<uint64_t> part_offsets, other_offsets;
  mutable Cache<std::vector<IndexRun>> parts;
  mutable Cache<DecodedPages> pages;
};

RawRecord ImageFile::State::raw(uint64_t offset) const {
  if (offset >= place.bytes || place.bytes - offset < kRecordPrefix + 9)
    fail(Errc::bad_image, "there is no record at byte {}: the image ends at byte {}", offset,
         place.bytes);
  Bytes bytes(kRecordPrefix + 9);
  file.read_at(place.offset + offset, bytes);
  const auto sequence =
      wire::get_fixed<uint64_t>(std::span<const std::byte>(bytes).subspan(kRecordPrefix + 1));
  const size_t whole = record_length(bytes, sequence, offset);
  if (whole > place.bytes - offset)
    fail(Errc::bad_image, "record {} at byte {} goes beyond the end of the image", sequence,
         offset);
  bytes.resize(whole);
  file.read_at(place.offset + offset, bytes);
  RawRecord record = frame_record(std::move(bytes), sequence, offset);
  check_digest(record);
  return record;
}

v1::Record ImageFile::State::parsed(uint64_t offset, uint32_t kind, const char* what) const {
  const RawRecord record = raw(offset);
  if (record.kind != kind)
    fail(Errc::bad_image, "{} is not {}, which belongs there", place_of(record), what);
  return parse_record(record);
}

void ImageFile::State::read_end() {
  const auto missing = [&] {
    fail(Errc::bad_image,
         "there is no End record where the image ends: it is cut off, or something follows it");
  };
  if (place.bytes < kMagicRecord + kEndRecord) missing();
  const uint64_t offset = place.bytes - kEndRecord;
  Bytes prefix(kRecordPrefix);
  file.read_at(place.offset + offset, prefix);
  if (!std::ranges::equal(prefix, kEndPrefix)) missing();
  const v1::Record record = parsed(offset, v1::Record::kEnd, "End");
  end = record.end();
  if (end.bytes() != place.bytes)
    fail(Errc::bad_image, "the image should have {} bytes, but there are {}", end.bytes(),
         place.bytes);
  if (end.records() != record.sequence() + 1)
    fail(Errc::bad_image, "the End record is number {}, but says there are {} records",
         record.sequence(), end.records());
}

void ImageFile::State::read_root() {
  const uint64_t offset = end.index_root_offset();
  const RawRecord raw_root = raw(offset);
  if (raw_root.kind != v1::Record::kIndexRoot || raw_root.sequence + 2 != end.records() ||
      offset + raw_root.bytes.size() + kEndRecord != place.bytes)
    fail(Errc::bad_image, "{} is not the index's root, which belongs right before End",
         place_of(raw_root));
  root = parse_record(raw_root).index_root();
  part_offsets = absolute(root.part_offsets(), offset, "a part of the index");
  other_offsets = absolute(root.other_offsets(), offset, "a record");
  if (root.kind_pages_size() % 3 != 0)
    fail(Errc::bad_image, "{}, the index's root, has malformed sums", place_of(raw_root));
}

void ImageFile::State::read_head() {
  head = parsed(kMagicRecord, v1::Record::kHead, "Head").head();
  check_head(head);
  if (part_offsets.size() != index_parts(head.nr_pfns()))
    fail(Errc::bad_image, "the index has {} parts; a guest with {} pfns needs {}",
         part_offsets.size(), head.nr_pfns(), index_parts(head.nr_pfns()));
}

void ImageFile::State::open() {
  place = find_image(file);
  read_end();
  read_root();
  read_head();
}

std::vector<IndexRun> ImageFile::State::part(uint64_t i) const {
  if (i >= part_offsets.size())
    fail(Errc::bad_image, "the index has no part {}, only {}", i, part_offsets.size());
  const RawRecord record = raw(part_offsets[i]);
  const v1::Record message = parse_record(record);
  if (record.kind != v1::Record::kIndexPart)
    fail(Errc::bad_image, "{} is not part {} of the index", place_of(record), i);
  return read_index_part(message.index_part(), i, head.nr_pfns(), part_offsets[0],
                         place_of(record));
}

std::span<const std::byte> ImageFile::State::page(pfn_t pfn,
                                                  std::shared_ptr<const DecodedPages>& keep) const {
  if (pfn.raw() >= head.nr_pfns()) return {};
  const uint64_t i = pfn.raw() / kPfnsPerIndexPart;
  const auto entries =
      parts.get(i, [&] { return std::make_shared<const std::vector<IndexRun>>(part(i)); });
  const auto after = std::ranges::upper_bound(*entries, pfn.raw(), {}, &IndexRun::first);
  if (after == entries->begin()) return {};
  const IndexRun& entry = *std::prev(after);
  if (pfn.raw() - entry.first >= entry.count || !has_data(entry.kind)) return {};
  keep = pages.get(entry.record_offset, [&] {
    return std::make_shared<const DecodedPages>(raw(entry.record_offset), head.nr_pfns());
  });
  const auto found = keep->page(pfn, entry.kind);
  if (found.empty())
    fail(Errc::bad_image, "{} does not hold pfn {} as {}, but the index says so",
         place_of(keep->record), pfn.raw(), kind_name(entry.kind));
  return found;
}

ImageFile::ImageFile() = default;
ImageFile::~ImageFile() = default;
ImageFile::ImageFile(ImageFile&&) noexcept = default;
ImageFile& ImageFile::operator=(ImageFile&&) noexcept = default;

ImageFile ImageFile::open(const std::string& path) {
  return open(InputFile(path));
}

ImageFile ImageFile::open(InputFile file) {
  ImageFile image;
  image.state_ = std::make_unique<State>(std::move(file));
  image.state_->named([&] { image.state_->open(); });
  return image;
}

const ImagePlace& ImageFile::place() const {
  return state_->place;
}
const v1::Head& ImageFile::head() const {
  return state_->head;
}
const v1::IndexRoot& ImageFile::index_root() const {
  return state_->root;
}
const v1::End& ImageFile::end() const {
  return state_->end;
}
uint64_t ImageFile::parts() const {
  return state_->part_offsets.size();
}

std::unique_ptr<ByteSource> ImageFile::stream() const {
  return std::make_unique<FileSource>(state_->file, state_->place.offset, state_->place.bytes);
}

RawRecord ImageFile::read_record(uint64_t offset) const {
  return state_->named([&] { return state_->raw(offset); });
}

void ImageFile::for_each_other(const std::function<bool(const RawRecord&)>& visit) const {
  state_->named([&] {
    for (const uint64_t offset : state_->other_offsets)
      if (!visit(state_->raw(offset))) return;
  });
}

std::vector<IndexRun> ImageFile::read_part_runs(uint64_t part) const {
  return state_->named([&] { return state_->part(part); });
}

std::vector<PageEntry> ImageFile::read_part(uint64_t part) const {
  const uint64_t first = part * kPfnsPerIndexPart;
  const std::vector<IndexRun> runs = read_part_runs(part);
  std::vector<PageEntry> entries(std::min(kPfnsPerIndexPart, head().nr_pfns() - first));
  for (const IndexRun& run : runs)
    std::fill_n(entries.begin() + static_cast<ptrdiff_t>(run.first - first), run.count,
                PageEntry{run.kind, true, run.record_offset});
  return entries;
}

bool ImageFile::read_page(pfn_t pfn, std::span<std::byte, kPageSize> out) const {
  return state_->named([&] {
    std::shared_ptr<const DecodedPages> keep;
    const auto page = state_->page(pfn, keep);
    std::ranges::copy(page, out.begin());
    return !page.empty();
  });
}

}  // namespace ferry
