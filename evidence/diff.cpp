// What is different between the pages of two images.
#include "evidence/diff.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ferry::evidence {
namespace {

constexpr uint64_t kMostPages = 128;  // with data, of a chunk and of each image
constexpr size_t kMostRuns = 2048;
constexpr std::array<std::byte, kPageSize> kZeros{};

bool has_frame(v1::PageKind kind) {
  return kind != v1::ABSENT && kind != audit::kUnmentioned;
}

// What may be told apart at all: data is data, zeros or not.
v1::PageKind seen_as(v1::PageKind kind) {
  if (kind == v1::ZERO) return v1::DATA;
  return has_frame(kind) ? kind : v1::ABSENT;
}

// The same pages of both.
struct Pair {
  AlikePages a, b;

  bool has_data() const { return a.has_data() || b.has_data(); }
  // Nothing has to be looked at to know.
  bool alike() const { return !has_data() && seen_as(a.kind) == seen_as(b.kind); }
};

// The next run, or pages that the image does not have.
AlikePages next_of(RunReader& runs) {
  const AlikePages* run = runs.peek();
  return run != nullptr ? *run : AlikePages{.count = ~uint64_t{0}};
}

std::vector<Pair> next_pairs(RunReader& a, RunReader& b) {
  std::vector<Pair> pairs;
  uint64_t pages = 0;
  while ((a.peek() != nullptr || b.peek() != nullptr) && pages < kMostPages &&
         pairs.size() < kMostRuns) {
    Pair pair{next_of(a), next_of(b)};
    if (a.peek() == nullptr) pair.a.first = pair.b.first;
    if (b.peek() == nullptr) pair.b.first = pair.a.first;
    uint64_t count = std::min(pair.a.count, pair.b.count);
    if (pair.has_data()) pages += count = std::min(count, kMostPages - pages);
    pair.a.count = pair.b.count = count;
    if (a.peek() != nullptr) a.skip(count);
    if (b.peek() != nullptr) b.skip(count);
    pairs.push_back(pair);
  }
  return pairs;
}

class PairJob final : public Job {
 public:
  struct Shared {
    const GuestPages& a;
    const GuestPages& b;
    const std::function<void(const ChangedPage&)>& visit;
    PagesDiff diff = {};
  };
  PairJob(Shared& shared, std::vector<Pair> pairs) : shared_(shared), pairs_(std::move(pairs)) {}

  void work() override {
    from_ = load(shared_.a, &Pair::a);
    to_ = load(shared_.b, &Pair::b);
    for_each_page([&](const Pair& pair, const ChangedPage& page) {
      changed_.push_back(seen_as(pair.a.kind) != seen_as(pair.b.kind) ||
                         !std::ranges::equal(page.from_bytes, page.to_bytes));
    });
  }

  void consume() override {
    PagesDiff& diff = shared_.diff;
    for (const Pair& pair : pairs_) {
      if (!has_frame(pair.a.kind) && !has_frame(pair.b.kind)) continue;
      diff.pages += pair.a.count;
      diff.kinds[{pair.a.kind, pair.b.kind}].pages += pair.a.count;
    }
    size_t i = 0;
    for_each_page([&](const Pair& pair, const ChangedPage& page) {
      if (!changed_[i++]) return;
      ++diff.changed;
      ++diff.kinds[{pair.a.kind, pair.b.kind}].changed;
      shared_.visit(page);
    });
    shared_.a.buffers().give_back(std::move(from_));
    shared_.b.buffers().give_back(std::move(to_));
  }

 private:
  std::unique_ptr<PageBuffer> load(const GuestPages& pages, AlikePages Pair::*side) const {
    uint64_t many = 0;
    for (const Pair& pair : pairs_)
      if ((pair.*side).has_data()) many += (pair.*side).count;
    std::unique_ptr<PageBuffer> memory = pages.buffers().take();
    memory->make_room(many * kPageSize);
    std::span<std::byte> rest = memory->bytes();
    for (const Pair& pair : pairs_) {
      const AlikePages& run = pair.*side;
      if (!run.has_data()) continue;
      pages.copy(run, rest.first(run.count * kPageSize));
      rest = rest.subspan(run.count * kPageSize);
    }
    return memory;
  }

  // The next page of one side, if it has one.
  static std::span<const std::byte> take(v1::PageKind kind, std::span<const std::byte>& rest) {
    if (!has_frame(kind)) return {};
    if (kind == v1::ZERO) return kZeros;
    const auto page = rest.first(kPageSize);
    rest = rest.subspan(kPageSize);
    return page;
  }
  template <typename Visit>
  void for_each_page(Visit visit) const {
    std::span<const std::byte> from = from_->bytes(), to = to_->bytes();
    for (const Pair& pair : pairs_) {
      if (pair.alike()) continue;
      for (uint64_t i = 0; i < pair.a.count; ++i) {
        ChangedPage page{.pfn = pair.a.first + i,
                         .from = pair.a.kind,
                         .to = pair.b.kind,
                         .from_bytes = {},
                         .to_bytes = {}};
        page.from_bytes = take(page.from, from);
        page.to_bytes = take(page.to, to);
        visit(pair, page);
      }
    }
  }

  Shared& shared_;
  std::vector<Pair> pairs_;
  std::unique_ptr<PageBuffer> from_, to_;
  std::vector<bool> changed_;
};

}  // namespace

PagesDiff diff_pages(const GuestPages& a, const GuestPages& b, Executor& executor,
                     const std::function<void(const ChangedPage&)>& visit) {
  PairJob::Shared shared{.a = a, .b = b, .visit = visit};
  RunReader runs_a(a.map()), runs_b(b.map());
  executor.run([&]() -> std::unique_ptr<Job> {
    std::vector<Pair> pairs = next_pairs(runs_a, runs_b);
    if (pairs.empty()) return nullptr;
    return std::make_unique<PairJob>(shared, std::move(pairs));
  });
  return std::move(shared.diff);
}

}  // namespace ferry::evidence
