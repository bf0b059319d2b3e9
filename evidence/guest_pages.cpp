// The last version of a guest's pages, in order of pfn.
//
// A record holds pages with zero pages between them, so a chunk ends where its record does; of an
// image that was saved live, a chunk takes pages from records of several rounds.
#include "evidence/guest_pages.h"

#include <algorithm>

#include "error/error.h"

namespace ferry::evidence {
namespace {

constexpr uint64_t kWindow = 4096;      // pfns of the index that are looked at together
constexpr uint64_t kFewestPages = 128;  // with data, before a chunk ends where its record does
constexpr size_t kMostRuns = 4096;      // of a chunk

uint64_t pages_with_data(std::span<const AlikePages> runs) {
  uint64_t pages = 0;
  for (const AlikePages& run : runs)
    if (run.has_data()) pages += run.count;
  return pages;
}

bool alike(const AlikePages& run, v1::PageKind kind, uint64_t record) {
  return run.kind == kind && (!run.has_data() || run.record == record);
}

}  // namespace

void RunReader::refill() {
  window_.clear();
  at_ = 0;
  const uint64_t count = std::min(kWindow, map_.size() - next_);
  map_.runs_within(next_, count,
                   [&](uint64_t first, uint64_t many, v1::PageKind kind, v1::PageKind, uint8_t,
                       uint64_t record) {
                     if (!window_.empty() && alike(window_.back(), kind, record))
                       window_.back().count += many;
                     else
                       window_.push_back({first, many, kind, record});
                   });
  next_ += count;
}

const AlikePages* RunReader::peek() {
  if (at_ == window_.size()) {
    if (next_ == map_.size()) return nullptr;
    refill();
  }
  return &window_[at_];
}

void RunReader::skip(uint64_t pages) {
  AlikePages& run = window_[at_];
  run.first += pages;
  run.count -= pages;
  if (run.count == 0) ++at_;
}

// A Pages record, decompressed.
struct GuestPages::Decoded {
  std::vector<PageRun> runs;
  std::vector<uint64_t> before;  // pages with data before each run
  RawRecord raw;                 // if the pages lie in it as they are
  std::unique_ptr<PageBuffer> memory;
  std::span<const std::byte> pages;  // in one of these

  // Where the page is, and how many of its run follow, it included. Nothing if it is not there.
  std::span<const std::byte> from(uint64_t pfn, v1::PageKind kind) const {
    const auto after = std::ranges::upper_bound(runs, pfn_t(pfn), {}, &PageRun::first);
    if (after == runs.begin()) return {};
    const size_t i = static_cast<size_t>(after - runs.begin()) - 1;
    const uint64_t inside = pfn - runs[i].first.raw();
    if (inside >= runs[i].count || runs[i].kind != kind) return {};
    return pages.subspan((before[i] + inside) * kPageSize, (runs[i].count - inside) * kPageSize);
  }
};

// One of those that are kept. Whoever finds it empty fills it, others wait.
struct GuestPages::Held {
  explicit Held(Pool<PageBuffer>& from) : buffers(from) {}
  ~Held() {
    if (decoded.memory) buffers.give_back(std::move(decoded.memory));
  }

  Pool<PageBuffer>& buffers;
  uint64_t record = 0;
  std::once_flag once;
  Decoded decoded;
};

GuestPages::GuestPages(const ImageFile& image, size_t keep)
    : image_(image), map_(audit::PageMap::load(image)), keep_(keep) {
}

std::shared_ptr<GuestPages::Held> GuestPages::held(uint64_t record) const {
  std::lock_guard lock(mutex_);
  const auto found =
      std::ranges::find(recent_, record, [](const auto& one) { return one->record; });
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
  } else {
    auto one = std::make_shared<Held>(buffers_);
    one->record = record;
    if (recent_.size() == keep_) recent_.pop_back();
    recent_.push_front(std::move(one));
  }
  return recent_.front();
}

std::shared_ptr<GuestPages::Held> GuestPages::decoded(uint64_t record) const {
  std::shared_ptr<Held> one = held(record);
  std::call_once(one->once, [&] {
    RawRecord raw = image_.read_record(record);
    PagesView view = decode_pages(raw, image_.head().nr_pfns());
    Decoded made;
    std::unique_ptr<PagesDecoder> decoder = decoders_.take();
    if (view.codec == v1::RAW) {
      made.pages = decoder->decompress(raw, view);
      made.raw = std::move(raw);  // its bytes stay where they are
    } else {
      made.memory = buffers_.take();
      made.memory->make_room(view.raw_bytes);
      decoder->decompress_into(made.memory->bytes(), raw, view);
      made.pages = made.memory->bytes();
    }
    decoders_.give_back(std::move(decoder));
    uint64_t before = 0;
    for (const PageRun& run : view.runs) {
      made.before.push_back(before);
      if (has_data(run.kind)) before += run.count;
    }
    made.runs = std::move(view.runs);
    one->decoded = std::move(made);
  });
  return one;
}

void GuestPages::copy(const AlikePages& run, std::span<std::byte> into) const {
  const std::shared_ptr<Held> one = decoded(run.record);
  for (uint64_t pfn = run.first; pfn < run.first + run.count;) {
    const auto from = one->decoded.from(pfn, run.kind);
    if (from.empty())
      fail(Errc::bad_image,
           "the record at byte {} does not hold pfn {:#x} as {}, but the index says so", run.record,
           pfn, kind_name(run.kind));
    const size_t bytes = std::min<size_t>(from.size(), (run.first + run.count - pfn) * kPageSize);
    std::copy_n(from.begin(), bytes, into.begin());
    into = into.subspan(bytes);
    pfn += bytes / kPageSize;
  }
}

std::optional<SharedPages> GuestPages::share(std::span<const AlikePages> runs) const {
  const size_t bytes = pages_with_data(runs) * kPageSize;
  const auto first = std::ranges::find_if(runs, &AlikePages::has_data);
  if (first == runs.end()) return SharedPages{};
  for (const AlikePages& run : runs)
    if (run.has_data() && run.record != first->record) return std::nullopt;
  std::shared_ptr<Held> one = decoded(first->record);
  const Decoded& record = one->decoded;
  // Whoever holds a few pages must not hold megabytes for them.
  if (bytes < record.pages.size() / 2) return std::nullopt;
  const std::byte* const begin = record.from(first->first, first->kind).data();
  size_t done = 0;
  for (const AlikePages& run : runs) {
    if (!run.has_data()) continue;
    const auto there = record.from(run.first, run.kind);
    // A run of the index may be several of the record, which copy() puts together.
    if (there.size() < run.count * kPageSize || there.data() != begin + done) return std::nullopt;
    done += run.count * kPageSize;
  }
  return SharedPages{std::move(one), {begin, bytes}};
}

bool GuestPages::read(uint64_t pfn, std::span<std::byte, kPageSize> into) const {
  if (pfn >= map_.size() || !map_.populated(pfn)) return false;
  const v1::PageKind kind = map_.kind(pfn);
  if (has_data(kind))
    copy({pfn, 1, kind, map_.record_offset(pfn)}, into);
  else
    std::ranges::fill(into, std::byte{0});
  return true;
}

namespace {

// Takes runs for one chunk. Nothing is left to take at the end of the guest.
std::vector<AlikePages> next_chunk(RunReader& runs) {
  std::vector<AlikePages> taken;
  uint64_t pages = 0, record = 0;
  while (const AlikePages* next = runs.peek()) {
    AlikePages run = *next;
    if (run.has_data()) {
      if (pages == kMostChunkPages || (pages >= kFewestPages && run.record != record)) break;
      run.count = std::min(run.count, kMostChunkPages - pages);
      pages += run.count;
      record = run.record;
    }
    if (taken.size() == kMostRuns) break;
    taken.push_back(run);
    runs.skip(run.count);
  }
  return taken;
}

class ChunkJob final : public Job {
 public:
  ChunkJob(const GuestPages& pages, std::vector<AlikePages> runs, std::unique_ptr<ChunkVisit> visit)
      : pages_(pages), visit_(std::move(visit)) {
    chunk_.runs = std::move(runs);
  }

  void work() override {
    shared_ = pages_.share(chunk_.runs);
    if (!shared_) copy();
    chunk_.data = shared_ ? shared_->bytes : memory_->bytes();
    visit_->work(chunk_);
  }
  void consume() override {
    visit_->consume(chunk_);
    shared_.reset();
    if (memory_) pages_.buffers().give_back(std::move(memory_));
  }

 private:
  // Pages of several records.
  void copy() {
    memory_ = pages_.buffers().take();
    memory_->make_room(pages_with_data(chunk_.runs) * kPageSize);
    std::span<std::byte> rest = memory_->bytes();
    for (const AlikePages& run : chunk_.runs) {
      if (!run.has_data()) continue;
      pages_.copy(run, rest.first(run.count * kPageSize));
      rest = rest.subspan(run.count * kPageSize);
    }
  }

  const GuestPages& pages_;
  std::unique_ptr<ChunkVisit> visit_;
  Chunk chunk_;
  // One of these has the chunk's pages.
  std::optional<SharedPages> shared_;
  std::unique_ptr<PageBuffer> memory_;
};

}  // namespace

void sweep(const GuestPages& pages, Executor& executor,
           const std::function<std::unique_ptr<ChunkVisit>()>& make) {
  RunReader runs(pages.map());
  executor.run([&]() -> std::unique_ptr<Job> {
    if (runs.peek() == nullptr) return nullptr;
    std::unique_ptr<ChunkVisit> visit = make();
    if (!visit) return nullptr;
    return std::make_unique<ChunkJob>(pages, next_chunk(runs), std::move(visit));
  });
}

}  // namespace ferry::evidence
