// One batch of pages on its way out of the guest.
#include "save/page_batch.h"

#include <sys/mman.h>

#include <algorithm>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "save/copy_from_guest.h"
#include "save/page_kind.h"
#include "save/start_info_page.h"

namespace ferry {
namespace {

// Runs of pages without a frame in one record.
constexpr size_t kMostHoles = 4096;

pt_level level_of(v1::PageKind kind) {
  pt_level level = PT_PTE;
  if (!pt_level_of(static_cast<unsigned>(table_level(kind)), level))
    fail(Errc::internal, "page kind {} is no page table", kind_name(kind));
  return level;
}

[[noreturn]] void fail_frame(pfn_t pfn, mfn_t mfn) {
  fail(
      Errc::guest,
      "page {:#x} of the guest cannot be saved: its p2m gives it machine frame {:#x}, which is not "
      "the guest's own memory",
      pfn.raw(), mfn.raw());
}

[[noreturn]] void fail_entry(pfn_t pfn, const char* what, const entry_result& r) {
  fail(Errc::guest, "page {:#x} of the guest ({}) cannot be saved: entry {} is {:#x}, and its {}",
       pfn.raw(), what, r.index, r.entry, text_of(r.fault));
}

}  // namespace

PageBatch::PageBatch(BatchContext& context, PageCursor& cursor)
    : context_(context), guest_(context.guest) {
  collect(cursor);
  if (empty()) return;
  sequence_ = context.writer.next_sequence();
  find_types();
  map();
}

std::unique_ptr<PageBatch> PageBatch::next(BatchContext& context, PageCursor& cursor) {
  std::unique_ptr<PageBatch> batch(new PageBatch(context, cursor));
  return batch->empty() ? nullptr : std::move(batch);
}

void PageBatch::collect(PageCursor& cursor) {
  // What the base has beyond the guest's end is gone.
  const uint64_t all =
      std::max(guest_->nr_pfns(), context_.base ? context_.base->nr_pfns() : uint64_t{0});
  const pfn_t end(cursor.wanted ? cursor.wanted->nr_pfns() : all);
  uint64_t taken = 0;
  while (taken < kMaxPfnsPerRecord && absent_.size() < kMostHoles &&
         pages_.size() < kPagesPerBatch) {
    if (cursor.wanted && cursor.next < end) cursor.next = cursor.wanted->next(cursor.next);
    if (end <= cursor.next) return;
    Page page;
    page.pfn = cursor.next;
    ++cursor.next;
    if (!guest_->frame_of(page.pfn, page.mfn)) {
      if (context_.watcher) context_.watcher->absent(page.pfn);
      if (in_base(page.pfn, v1::ABSENT, nullptr)) continue;
      add_absent(absent_, page.pfn, 1);
    } else if (cursor.pass == PageCursor::Pass::all) {
      pages_.push_back(page);
    } else {
      continue;
    }
    ++taken;
  }
}

void PageBatch::add_absent(std::vector<PageRun>& runs, pfn_t first, uint64_t count) const {
  if (!runs.empty() && runs.back().kind == v1::ABSENT &&
      runs.back().first + runs.back().count == first)
    runs.back().count += count;
  else
    runs.push_back({first, count, v1::ABSENT});
}

bool PageBatch::in_base(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const {
  BasePages* const base = context_.base;
  if (base == nullptr) return false;
  const uint64_t n = pfn.raw();
  const bool same = kind == v1::ABSENT ? base->was_absent(n)
                    : kind == v1::ZERO ? base->was_zero(n)
                                       : base->was(n, static_cast<unsigned>(kind), canonical);
  if (!same) base->told(n);
  return same;
}

void PageBatch::find_types() {
  std::vector<mfn_t> frames;
  frames.reserve(pages_.size());
  for (const Page& page : pages_) frames.push_back(page.mfn);
  std::vector<PageType> types;
  get_page_types(context_.xen, context_.domid, frames, types);
  for (size_t i = 0; i < pages_.size(); ++i) pages_[i].type = types[i];
}

void PageBatch::map() {
  std::vector<mfn_t> frames;
  frames.reserve(pages_.size());
  for (Page& page : pages_) {
    if (page.type == kTypeAbsent || page.type == kTypeBroken) continue;
    page.mapped = true;
    page.at = frames.size();
    frames.push_back(page.mfn);
  }
  if (!context_.running) {
    mapping_ =
        ForeignMapping(context_.xen, context_.domid, PROT_READ, frames, "pages of the guest");
    return;
  }
  std::vector<int> errors;
  mapping_ = ForeignMapping(context_.xen, context_.domid, PROT_READ, frames, errors);
  for (Page& page : pages_)
    if (page.mapped && errors[page.at] != 0) page.mapped = false;  // given back a moment ago
}

// To pfn form, in place.
void PageBatch::convert(const Page& page, v1::PageKind kind, std::byte* copy) const {
  auto& entries = *reinterpret_cast<table_page*>(copy);
  if (is_page_table(kind)) {
    entry_result r = canonicalize_table(level_of(kind), entries, entries, *guest_);
    if (!r.ok()) fail_entry(page.pfn, kind_name(kind), r);
  } else if (kind == v1::P2M_LEAF) {
    entry_result r = canonicalize_p2m_leaf(entries, entries, *guest_);
    if (!r.ok()) fail_entry(page.pfn, "part of its p2m", r);
  } else if (page.pfn == context_.start_info) {
    canonicalize_start_info(copy, guest_->nr_pfns());
  }
}

// True if the page has data, which then is in copy.
bool PageBatch::take(const Page& page, std::byte* copy) {
  PageWatcher* const watcher = context_.watcher;
  const v1::PageKind kind = page_kind(page.pfn, page.type, guest_->is_leaf(page.pfn));
  if (kind == v1::ABSENT) {
    // While the guest runs it may have lost the frame a moment ago.
    if (!context_.running) fail_frame(page.pfn, page.mfn);
    if (!in_base(page.pfn, v1::ABSENT, nullptr)) add_absent(runs_, page.pfn, 1);
    if (watcher) watcher->sent(page.pfn, page.mfn, v1::ABSENT, nullptr);
    return false;
  }
  if (!page.mapped) {
    watcher->put_off(page.pfn);
    return false;
  }
  const bool some = copy_from_guest(mapping_.page(page.at), copy);
  if (watcher) watcher->copied(page.pfn, copy);
  const bool zero = kind == v1::DATA && !some;
  if (!zero) convert(page, kind, copy);
  const bool known = in_base(page.pfn, zero ? v1::ZERO : kind, copy);
  if (!known) append_page(runs_, page.pfn, zero ? v1::ZERO : kind);
  if (watcher) watcher->sent(page.pfn, page.mfn, kind, copy);
  return !zero && !known;
}

void PageBatch::work() {
  auto scratch = context_.scratches.take(context_.level);
  scratch->pages.resize(kPagesPerBatch * kPageSize);
  size_t copied = 0;
  auto hole = absent_.begin();
  for (const Page& page : pages_) {
    for (; hole != absent_.end() && hole->first < page.pfn; ++hole)
      add_absent(runs_, hole->first, hole->count);
    try {
      copied += take(page, scratch->pages.data() + copied * kPageSize);
    } catch (const Error& e) {
      if (!context_.running || e.code() != Errc::guest || page.type == kTypeBroken) throw;
      context_.watcher->put_off(page.pfn);
    }
  }
  for (; hole != absent_.end(); ++hole) add_absent(runs_, hole->first, hole->count);
  mapping_.unmap();
  record_ = scratch->encoder.encode(sequence_, context_.round, runs_,
                                    std::span(scratch->pages).first(copied * kPageSize));
  context_.scratches.give_back(std::move(scratch));
}

void PageBatch::consume() {
  context_.writer.write_pages(record_, runs_);
  context_.pages_done += pages_.size();
  if (context_.progress)
    context_.progress({"saving memory", context_.pages_done, context_.pages_total,
                       context_.writer.bytes_written()});
}

}  // namespace ferry
