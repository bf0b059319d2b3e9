// The memory of a domain under restore: frames are given to it and pages put into them.
#include "restore/guest_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "xen/memory.h"

namespace ferry {
namespace {

constexpr size_t kPopulateBatch = 1024;
constexpr size_t kFillBatch =
    256;  // pages mapped at once: some batches in a record, for all threads

pt_level level_of(PageKind kind) {
  pt_level level = PT_PTE;
  if (!pt_level_of(static_cast<unsigned>(table_level(kind)), level))
    fail(Errc::internal, "page kind {} is no page table", kind_name(kind));
  return level;
}

[[noreturn]] void fail_entry(pfn_t pfn, PageKind kind, const entry_result& r) {
  fail(Errc::bad_image, "the image is bad: page {:#x} ({}), entry {} is {:#x}: {}", pfn.raw(),
       kind_name(kind), r.index, r.entry, text_of(r.fault));
}

bool is_zero(const std::byte* page) {
  constexpr size_t kWords = 8;  // a cache line
  for (size_t at = 0; at < kPageSize; at += kWords * sizeof(uint64_t)) {
    uint64_t words[kWords];
    std::memcpy(words, page + at, sizeof words);
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    if (any != 0) return false;
  }
  return true;
}

bool has_entries(PageKind kind) {
  return is_page_table(kind) || kind == PageKind::p2m_leaf;
}

uint64_t pages_with_entries(std::span<const KindRun> runs) {
  uint64_t pages = 0;
  for (const KindRun& run : runs)
    if (has_entries(run.kind)) pages += run.count;
  return pages;
}

}  // namespace

void GuestMemory::populate_pfns(std::span<const pfn_t> pfns) {
  while (!pfns.empty()) {
    auto batch = pfns.first(std::min(pfns.size(), kPopulateBatch));
    std::vector<mfn_t> frames = populate(xen_, domid_, batch);
    for (size_t i = 0; i < batch.size(); ++i) frames_.set_frame(batch[i], frames[i]);
    pfns = pfns.subspan(batch.size());
  }
}

void GuestMemory::populate_runs(std::span<const PfnRun> runs) {
  std::vector<pfn_t> singles;
  for (const PfnRun& run : runs) {
    // Nobody promised that runs ascend, and no pfn may be asked for twice in one call.
    if (!singles.empty() && run.first <= singles.back()) flush(singles);
    populate_run(run, singles);
  }
  flush(singles);
}

// What comes in no large extent is left in singles, so that a guest with many holes does not cost a
// call for each piece between them.
void GuestMemory::populate_run(const PfnRun& run, std::vector<pfn_t>& singles) {
  if (run.first.raw() > frames_.nr_pfns() || run.count > frames_.nr_pfns() - run.first.raw())
    fail(Errc::bad_image, "the image is bad: it populates pages from {:#x} beyond the guest's end",
         run.first.raw());
  const pfn_t end = run.first + run.count;
  bool large_works = true;
  for (pfn_t pfn = run.first; pfn < end;) {
    mfn_t mfn;
    const bool aligned = pfn.raw() % kLargeExtent == 0 && end - pfn >= kLargeExtent;
    auto taken = [&](uint64_t i) { return frames_.has_frame(pfn + i); };
    bool free = aligned && large_works;
    for (uint64_t i = 0; free && i < kLargeExtent; ++i) free = !taken(i);
    if (free && (large_works = populate_large(xen_, domid_, pfn, mfn))) {
      for (uint64_t i = 0; i < kLargeExtent; ++i) frames_.set_frame(pfn + i, mfn + i);
      pfn = pfn + kLargeExtent;
      continue;
    }
    want(pfn, singles);
    ++pfn;
    if (singles.size() >= kPopulateBatch) flush(singles);
  }
}

void GuestMemory::flush(std::vector<pfn_t>& singles) {
  populate_pfns(singles);
  singles.clear();
}

void GuestMemory::want(pfn_t pfn, std::vector<pfn_t>& wanted) const {
  if (!frames_.has_frame(pfn)) wanted.push_back(pfn);
}

void GuestMemory::put_pages(std::span<const KindRun> runs, std::span<const std::byte> pages) {
  check(runs, pages);
  collect(runs, pages);
  populate_for_pages();
  fill();
}

// Whoever read the image has checked that too, and is not believed.
void GuestMemory::check(std::span<const KindRun> runs, std::span<const std::byte> pages) const {
  uint64_t next = 0, pfns = 0, data = 0;
  for (const KindRun& run : runs) {
    const uint64_t first = run.first.raw();
    if (run.count == 0 || first < next || first >= frames_.nr_pfns() ||
        run.count > frames_.nr_pfns() - first)
      fail(Errc::bad_image,
           "the image is bad: {} pages from {:#x} are out of order or beyond the guest's end",
           run.count, first);
    next = first + run.count;
    pfns += run.count;
    if (has_data(run.kind)) data += run.count;
    if (pfns > kMostPfnsAtOnce || data > kMostPagesAtOnce || data * kPageSize > pages.size())
      fail(Errc::bad_image, "the image is bad: one of its records has too many pages");
  }
}

void GuestMemory::collect(std::span<const KindRun> runs, std::span<const std::byte> pages) {
  const std::byte* bytes = pages.data();
  std::vector<mfn_t> given_back;
  pages_.clear();
  copies_.clear();
  copies_.reserve(pages_with_entries(runs));  // so that none of them moves
  for (const KindRun& run : runs) {
    for (uint64_t i = 0; i < run.count; ++i) {
      const pfn_t pfn = run.first + i;
      if (has_data(run.kind)) {
        pages_.push_back({pfn, run.kind, bytes, copy_of(run.kind, bytes)});
        bytes += kPageSize;
      } else if (run.kind == PageKind::zero) {
        pages_.push_back({pfn, run.kind, nullptr, nullptr});
      } else {
        forget(pfn, given_back);
        continue;
      }
      frames_.set_kind(pfn, run.kind);
    }
  }
  for (size_t i = 0; i < given_back.size(); i += kPopulateBatch)
    depopulate(xen_, domid_,
               std::span(given_back).subspan(i, std::min(kPopulateBatch, given_back.size() - i)));
}

// nullptr for a page that is not judged.
const table_page* GuestMemory::copy_of(PageKind kind, const std::byte* bytes) {
  if (!has_entries(kind)) return nullptr;
  TableCopy& copy = copies_.emplace_back();
  std::memcpy(copy.entries, bytes, sizeof copy.entries);
  return &copy.entries;
}

// The guest gave this page back after an earlier version of it, or of a table that refers to it,
// was sent.
void GuestMemory::forget(pfn_t pfn, std::vector<mfn_t>& given_back) {
  mfn_t mfn;
  if (!frames_.mfn_of(pfn, mfn)) return;
  given_back.push_back(mfn);
  frames_.clear_frame(pfn);
  frames_.set_kind(pfn, PageKind::absent);
}

void GuestMemory::populate_for_pages() {
  std::vector<pfn_t> wanted;
  for (const Page& page : pages_) {
    want(page.pfn, wanted);
    want_referred(page, wanted);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  populate_pfns(wanted);
}

// Pages that a table or a p2m leaf refers to need frames before it can be localised; the image has
// their contents later, or is found bad at its end.
void GuestMemory::want_referred(const Page& page, std::vector<pfn_t>& wanted) const {
  if (is_page_table(page.kind)) {
    entry_result r = visit_table(level_of(page.kind), *page.entries, [&](unsigned, pfn_t pfn) {
      if (pfn.raw() >= frames_.nr_pfns()) return false;
      want(pfn, wanted);
      return true;
    });
    if (!r.ok()) fail_entry(page.pfn, page.kind, r);
  } else if (page.kind == PageKind::p2m_leaf) {
    for (unsigned i = 0; i < kP2mPerPage; ++i) {
      const uint64_t entry = (*page.entries)[i];
      if (p2m_kind_of(entry) != p2m_kind::own) continue;
      if (entry >= frames_.nr_pfns())
        fail_entry(page.pfn, page.kind, {entry_fault::pfn_without_frame, i, entry});
      want(pfn_t(entry), wanted);
    }
  }
}

// While one thread maps frames, which only one can at a time, the others fill those that they have
// mapped.
void GuestMemory::fill() {
  targets_.clear();
  for (const Page& page : pages_) {
    mfn_t mfn;
    if (!frames_.mfn_of(page.pfn, mfn))
      fail(Errc::internal, "page {:#x} of the guest was given no frame", page.pfn.raw());
    targets_.push_back(mfn);
  }
  const auto part = [this](size_t first, size_t end) {
    const ForeignMapping mapping = map(std::span(targets_).subspan(first, end - first));
    for (size_t i = first; i < end; ++i) localise(pages_[i], mapping.page(i - first));
  };
  crew_.share(pages_.size(), part, kFillBatch);
}

ForeignMapping GuestMemory::map(std::span<const mfn_t> frames) {
  const std::lock_guard lock(to_map_);
  return {xen_, domid_, PROT_READ | PROT_WRITE, frames, "memory of the new guest"};
}

void GuestMemory::localise(const Page& page, std::byte* into) const {
  if (is_page_table(page.kind)) {
    entry_result r = localise_table(level_of(page.kind), *page.entries,
                                    *reinterpret_cast<table_page*>(into), frames_);
    if (!r.ok()) fail_entry(page.pfn, page.kind, r);
  } else if (page.kind == PageKind::p2m_leaf) {
    entry_result r =
        localise_p2m_leaf(*page.entries, *reinterpret_cast<p2m_leaf_page*>(into), frames_);
    if (!r.ok()) fail_entry(page.pfn, page.kind, r);
  } else if (page.kind != PageKind::zero) {
    std::memcpy(into, page.bytes, kPageSize);
  } else if (!is_zero(into)) {  // a fresh frame may hold what its last owner left there
    std::memset(into, 0, kPageSize);
  }
}

}  // namespace ferry
