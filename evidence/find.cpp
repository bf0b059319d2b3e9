// Where in a guest's memory is it?
//
// Each page is looked at with the one that follows it, for what begins in the first:
//
//   | zeros | page | page | page | zeros | · | page | page |
//      ^------^      ^------^                   ^------^
//
// Which pages have something is found on all threads, what it is in order.
#include "evidence/find.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "evidence/address_space.h"

namespace ferry::evidence {
namespace {

using Page = std::array<std::byte, kPageSize>;
constexpr Page kZeros{};

// The search so far, from chunk to chunk.
class Finder {
 public:
  Finder(const Pattern& pattern, const FindOptions& options,
         const std::function<bool(const Hit&)>& visit)
      : pattern_(pattern), options_(options), visit_(visit) {}

  const Pattern& pattern() const { return pattern_; }
  bool done() const { return done_; }

  // What begins in the first page of `window`, which has this pfn; of zeros only what goes beyond.
  void look(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> window) {
    for (size_t from = 0; !done_;) {
      const auto match = pattern_.find(window, from);
      if (!match || match->at >= kPageSize) return;
      if (kind != v1::ZERO || match->at + match->bytes > kPageSize)
        report(pfn, kind, window, *match);
      from = match->at + (pattern_.overlaps() ? 1 : match->bytes);
    }
  }
  // The same for two pages that are not beside each other in memory.
  void look(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> first,
            std::span<const std::byte> second) {
    std::ranges::copy(first, two_.begin());
    std::ranges::copy(second, two_.begin() + kPageSize);
    look(pfn, kind, std::span(two_).first(kPageSize + second.size()));
  }

  // The last page of a row waits for what follows it. known: nothing lies in it alone.
  void hold(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> page, bool known) {
    held_pfn_ = pfn;
    held_kind_ = kind;
    held_ = page;
    known_ = known;
  }
  // It is looked at with the page after it; next: empty if there is none. Once the search is done
  // the memory of what is held may be gone.
  void release(std::span<const std::byte> next, bool next_is_zero) {
    if (!held_pfn_ || done_) return;
    const bool zeros = held_kind_ == v1::ZERO && next_is_zero;
    if (!zeros && (!known_ || on_border(next))) look(*held_pfn_, held_kind_, held_, next);
    held_pfn_.reset();
  }
  // What it is in is needed for something else.
  void keep_held() {
    if (!held_pfn_ || held_.data() == kZeros.data()) return;
    std::ranges::copy(held_, kept_.begin());
    held_ = kept_;
  }

 private:
  // Whether anything lies in both. Few bytes tell that of a short pattern.
  bool on_border(std::span<const std::byte> next) {
    const size_t reach = pattern_.longest() - 1;
    if (next.empty() || reach == 0) return false;
    if (reach > kPageSize / 4 || !pattern_.overlaps()) return true;
    std::ranges::copy(held_.last(reach), two_.begin());
    std::ranges::copy(next.first(reach), two_.begin() + static_cast<ptrdiff_t>(reach));
    return pattern_.find(std::span(two_).first(2 * reach)).has_value();
  }

  void report(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> window,
              const Pattern::Match& match) {
    const uint64_t begin = (pfn << kPageShift) + match.at;
    // An expression that went on into this page has taken what it covers.
    if (!pattern_.overlaps() && begin < end_) return;
    end_ = begin + match.bytes;
    const size_t before = std::min(match.at, options_.context);
    const size_t end = std::min(window.size(), match.at + match.bytes + options_.context);
    done_ = !visit_({.pfn = pfn,
                     .at = match.at,
                     .bytes = match.bytes,
                     .kind = kind,
                     .around = window.subspan(match.at - before, end - (match.at - before)),
                     .before = before});
  }

  const Pattern& pattern_;
  const FindOptions& options_;
  const std::function<bool(const Hit&)>& visit_;
  std::atomic<bool> done_ = false;  // read where chunks are made, too
  uint64_t end_ = 0;                // address after the last hit
  std::optional<uint64_t> held_pfn_;
  v1::PageKind held_kind_ = v1::DATA;
  std::span<const std::byte> held_;
  bool known_ = false;
  Page kept_{};
  std::array<std::byte, 2 * kPageSize> two_{};
};

// Pages with data in a row, in memory too.
struct Stretch {
  uint64_t first = 0;
  std::span<const std::byte> bytes;
  std::vector<AlikePages> kinds;
  std::vector<uint64_t> hits;  // pfns, the last page's aside
  bool known = false;          // nothing lies in it

  uint64_t end() const { return first + bytes.size() / kPageSize; }
  std::span<const std::byte> page(uint64_t pfn) const {
    return bytes.subspan((pfn - first) * kPageSize, kPageSize);
  }
  v1::PageKind kind(uint64_t pfn) const {
    for (const AlikePages& run : kinds)
      if (pfn - run.first < run.count) return run.kind;
    return v1::DATA;
  }
};

class FindVisit final : public ChunkVisit {
 public:
  explicit FindVisit(Finder& finder) : finder_(finder) {}

  void work(Chunk& chunk) override {
    chunk.for_each_run([&](const AlikePages& run, std::span<const std::byte> bytes) {
      if (bytes.empty()) return;
      if (stretches_.empty() || stretches_.back().end() != run.first)
        stretches_.push_back(
            {.first = run.first, .bytes = bytes, .kinds = {}, .hits = {}, .known = false});
      else
        stretches_.back().bytes = {stretches_.back().bytes.data(),
                                   stretches_.back().bytes.size() + bytes.size()};
      stretches_.back().kinds.push_back(run);
    });
    for (Stretch& stretch : stretches_) {
      const Pattern& pattern = finder_.pattern();
      stretch.known = pattern.anywhere() && !pattern.find(stretch.bytes);
      if (stretch.known) continue;
      for (uint64_t pfn = stretch.first; pfn + 1 < stretch.end(); ++pfn) {
        const auto match = pattern.find(two_pages(stretch, pfn));
        if (match && match->at < kPageSize) stretch.hits.push_back(pfn);
      }
    }
  }

  void consume(Chunk& chunk) override {
    size_t next = 0;
    for (const AlikePages& run : chunk.runs) {
      if (finder_.done()) return;
      if (run.kind == v1::ZERO) {
        finder_.release(kZeros, true);
        finder_.hold(run.first + run.count - 1, v1::ZERO, kZeros, finder_.pattern().anywhere());
      } else if (!run.has_data()) {
        finder_.release({}, false);
      } else if (next < stretches_.size() && stretches_[next].first == run.first) {
        consume(stretches_[next++]);
      }
    }
    finder_.keep_held();
  }

 private:
  static std::span<const std::byte> two_pages(const Stretch& stretch, uint64_t pfn) {
    return stretch.bytes.subspan((pfn - stretch.first) * kPageSize, 2 * kPageSize);
  }

  void consume(const Stretch& stretch) {
    finder_.release(stretch.page(stretch.first), false);
    for (const uint64_t pfn : stretch.hits)
      finder_.look(pfn, stretch.kind(pfn), two_pages(stretch, pfn));
    const uint64_t last = stretch.end() - 1;
    finder_.hold(last, stretch.kind(last), stretch.page(last), stretch.known);
  }

  Finder& finder_;
  std::vector<Stretch> stretches_;
};

}  // namespace

void find(const GuestPages& pages, const Pattern& pattern, const FindOptions& options,
          Executor& executor, const std::function<bool(const Hit&)>& visit) {
  Finder finder(pattern, options, visit);
  sweep(pages, executor, [&]() -> std::unique_ptr<ChunkVisit> {
    if (finder.done()) return nullptr;
    return std::make_unique<FindVisit>(finder);
  });
  finder.release({}, false);
}

void find_virtual(const GuestPages& pages, uint64_t root, const Pattern& pattern,
                  const FindOptions& options, const std::function<bool(const Hit&)>& visit) {
  uint64_t held_vaddr = 0, held_pfn = 0;
  // To the finder, pages are numbered by their addresses.
  const std::function<bool(const Hit&)> visit_held = [&](Hit hit) {
    hit.vaddr = held_vaddr + hit.at;
    hit.pfn = held_pfn;
    return visit(hit);
  };
  Finder finder(pattern, options, visit_held);
  std::array<Page, 2> memory;  // one is held while the other is read
  size_t turn = 0;
  each_mapped(pages, root, [&](uint64_t vaddr, uint64_t pfn) {
    const v1::PageKind kind = pages.map().kind(pfn);
    std::span<const std::byte> page = kZeros;
    if (kind != v1::ZERO) {
      turn ^= 1;
      pages.read(pfn, memory[turn]);
      page = memory[turn];
    }
    const bool follows = vaddr == held_vaddr + kPageSize;
    finder.release(follows ? page : std::span<const std::byte>(), follows && kind == v1::ZERO);
    held_vaddr = vaddr;
    held_pfn = pfn;
    finder.hold(vaddr >> kPageShift, kind, page, false);
    return !finder.done();
  });
  if (!finder.done()) finder.release({}, false);
}

}  // namespace ferry::evidence
