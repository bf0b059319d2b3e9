// A saved image that can be asked for any page, whatever it lies in.
#include "proto/image_file.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "error/error.h"
#include "io/input_file.h"
#include "proto/image_chain.h"
#include "proto/image_source.h"
#include "proto/index.h"
#include "proto/single_image.h"

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

}  // namespace

struct ImageFile::State {
  std::span<const std::byte> page(pfn_t pfn, std::shared_ptr<const DecodedPages>& keep) const;

  std::shared_ptr<const ImageSource> image;
  mutable Cache<std::vector<IndexRun>> parts;
  mutable Cache<DecodedPages> pages;
};

std::span<const std::byte> ImageFile::State::page(pfn_t pfn,
                                                  std::shared_ptr<const DecodedPages>& keep) const {
  const uint64_t nr_pfns = image->head().nr_pfns();
  if (pfn.raw() >= nr_pfns) return {};
  const uint64_t i = pfn.raw() / kPfnsPerIndexPart;
  const auto entries =
      parts.get(i, [&] { return std::make_shared<const std::vector<IndexRun>>(image->part(i)); });
  const auto after = std::ranges::upper_bound(*entries, pfn.raw(), {}, &IndexRun::first);
  if (after == entries->begin()) return {};
  const IndexRun& entry = *std::prev(after);
  if (pfn.raw() - entry.first >= entry.count || !has_data(entry.kind)) return {};
  keep = pages.get(entry.record_offset, [&] {
    return std::make_shared<const DecodedPages>(image->raw(entry.record_offset), nr_pfns);
  });
  const auto found = keep->page(pfn, entry.kind);
  if (found.empty())
    fail(Errc::bad_image, "{}: {} does not hold pfn {} as {}, but the index says so",
         image->path_of(entry.record_offset), place_of(keep->record), pfn.raw(),
         kind_name(entry.kind));
  return found;
}

ImageFile::ImageFile() = default;
ImageFile::~ImageFile() = default;
ImageFile::ImageFile(ImageFile&&) noexcept = default;
ImageFile& ImageFile::operator=(ImageFile&&) noexcept = default;

ImageFile ImageFile::of(std::shared_ptr<const ImageSource> source) {
  ImageFile image;
  image.state_ = std::make_unique<State>();
  image.state_->image = std::move(source);
  return image;
}

ImageFile ImageFile::open(const std::string& path) {
  return open(InputFile(path));
}

ImageFile ImageFile::open(InputFile file) {
  return of(std::make_shared<SingleImage>(std::move(file), Deltas::refused));
}

ImageFile ImageFile::open_link(InputFile file) {
  return of(std::make_shared<SingleImage>(std::move(file), Deltas::taken));
}

ImageFile ImageFile::open_chain(const std::vector<InputFile>& links) {
  return of(open_image_chain(links));
}

const ImagePlace& ImageFile::place() const {
  return state_->image->place();
}
const v1::Head& ImageFile::head() const {
  return state_->image->head();
}
const v1::IndexRoot& ImageFile::index_root() const {
  return state_->image->root();
}
const v1::End& ImageFile::end() const {
  return state_->image->end();
}
uint64_t ImageFile::parts() const {
  return index_parts(head().nr_pfns());
}

std::unique_ptr<ByteSource> ImageFile::stream() const {
  return state_->image->stream();
}

RawRecord ImageFile::read_record(uint64_t offset) const {
  return state_->image->raw(offset);
}

void ImageFile::for_each_other(const std::function<bool(const RawRecord&)>& visit) const {
  const v1::IndexRoot& root = index_root();
  for (const uint64_t offset :
       absolute_offsets(root.other_offsets(), end().index_root_offset(), "a record"))
    if (!visit(state_->image->raw(offset))) return;
}

std::vector<IndexRun> ImageFile::read_part_runs(uint64_t part) const {
  return state_->image->part(part);
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
  std::shared_ptr<const DecodedPages> keep;
  const auto page = state_->page(pfn, keep);
  std::ranges::copy(page, out.begin());
  return !page.empty();
}

}  // namespace ferry
