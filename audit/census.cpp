// What is in the pages of an image.
#include "audit/census.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "audit/layout.h"
#include "audit/page_map.h"
#include "pipeline/pool.h"
#include "proto/pages.h"
#include "proto/record_reader.h"

namespace ferry::audit {
namespace {

constexpr std::string_view kBanner = "Linux version ";
constexpr size_t kLongestBanner = 256;

// The kernel's own banner ends in a line; other places hold the format it is made from.
std::string banner_in(std::span<const std::byte> page) {
  const std::string_view text(reinterpret_cast<const char*>(page.data()), page.size());
  for (size_t at = text.find(kBanner); at != text.npos; at = text.find(kBanner, at + 1)) {
    const std::string_view rest = text.substr(at, kLongestBanner);
    const auto end =
        std::find_if(rest.begin(), rest.end(), [](char c) { return c < ' ' || c > '~'; });
    const std::string_view line = rest.substr(0, static_cast<size_t>(end - rest.begin()));
    const bool number =
        line.size() > kBanner.size() && line[kBanner.size()] >= '0' && line[kBanner.size()] <= '9';
    if (number && line.find('(') != line.npos) return std::string(line);
  }
  return {};
}

void count_entries(std::span<const std::byte> table, unsigned level, TableCensus& census) {
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const uint64_t entry = load_u64(table, i * sizeof(uint64_t));
    if (level == 4 && i >= kFirstXenSlot && i <= kLastXenSlot) continue;
    if ((entry & kPtePresent) == 0) {
      census.absent += entry != 0;
      continue;
    }
    ++census.present;
    census.writable += (entry & kPteWritable) != 0;
    census.user += (entry >> 2 & 1) != 0;
    census.no_execute += entry >> 63;
  }
}

void add(TableCensus& to, const TableCensus& of) {
  to.tables += of.tables;
  to.pinned += of.pinned;
  to.present += of.present;
  to.writable += of.writable;
  to.user += of.user;
  to.no_execute += of.no_execute;
  to.absent += of.absent;
}

struct Shared {
  const ImageFile& image;
  PageMap map;
  RecordReader* reader = nullptr;
  Census census = {};
  Pool<PagesDecoder> decoders = {};
};

class BatchJob final : public Job {
 public:
  BatchJob(Shared& shared, RawRecord raw) : shared_(shared), raw_(std::move(raw)) {}

  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPagesFieldNumber) return;
    PagesView view = decode_pages(raw_, shared_.image.head().nr_pfns());
    std::unique_ptr<PagesDecoder> decoder = shared_.decoders.take();
    look(view, decoder->decompress(raw_, view));
    runs_ = std::move(view.runs);
    bytes_ = raw_.bytes.size();
    shared_.reader->reuse(std::move(raw_.bytes));
    shared_.decoders.give_back(std::move(decoder));
  }

  void consume() override {
    if (bytes_ == 0) return;
    RoundCensus& round = shared_.census.rounds[std::min(round_, kMostRounds - 1)];
    for (const auto& [kind, pages] : pages_) round.pages[kind] += pages;
    round.bytes += bytes_;
    for (const PageRun& run : runs_)
      shared_.map.see(run.first.raw(), run.count, run.kind, raw_.offset);
    for (size_t i = 0; i < levels_.size(); ++i) add(shared_.census.levels[i], levels_[i]);
    if (shared_.census.banner.empty()) shared_.census.banner = std::move(banner_);
  }

 private:
  void look(const PagesView& view, std::span<const std::byte> pages) {
    round_ = view.round;
    for (const PageRun& run : view.runs) {
      pages_[run.kind] += run.count;
      if (!has_data(run.kind)) continue;
      for (uint64_t i = 0; i < run.count; ++i, pages = pages.subspan(kPageSize)) {
        const uint64_t pfn = run.first.raw() + i;
        const bool last =
            shared_.map.kind(pfn) == run.kind && shared_.map.record_offset(pfn) == raw_.offset;
        if (last) look_at_page(run.kind, pages.first(kPageSize));
      }
    }
  }

  void look_at_page(v1::PageKind kind, std::span<const std::byte> page) {
    if (is_page_table(kind)) {
      const auto level = static_cast<unsigned>(table_level(kind));
      TableCensus& census = levels_[level - 1];
      ++census.tables;
      census.pinned += is_pinned(kind);
      count_entries(page, level, census);
    } else if (kind == v1::DATA && banner_.empty()) {
      banner_ = banner_in(page);
    }
  }

  Shared& shared_;
  RawRecord raw_;
  uint32_t round_ = 0;
  uint64_t bytes_ = 0;
  std::vector<PageRun> runs_;
  std::map<v1::PageKind, uint64_t> pages_;
  std::array<TableCensus, 4> levels_{};
  std::string banner_;
};

}  // namespace

Census take_census(const ImageFile& image, Executor& executor) {
  Shared shared{.image = image, .map = PageMap::load(image)};
  const std::unique_ptr<ByteSource> source = image.stream();
  RecordReader reader(*source);
  shared.reader = &reader;
  executor.run([&]() -> std::unique_ptr<Job> {
    std::optional<RawRecord> record = reader.next();
    if (!record) return nullptr;
    return std::make_unique<BatchJob>(shared, std::move(*record));
  });
  shared.census.memory = memory_cells(shared.map, kMapCells);
  return std::move(shared.census);
}

}  // namespace ferry::audit
