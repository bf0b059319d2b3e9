// One batch of pages on its way out of the guest.
#include "save/page_batch.h"

#include <sys/mman.h>

#include <algorithm>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "save/copy_from_guest.h"
#include "save/start_info_page.h"

namespace ferry {
namespace {

pt_level level_of(v1::PageKind kind) {
  pt_level level = PT_PTE;
  if (!pt_level_of(static_cast<unsigned>(table_level(kind)), level))
    fail(Errc::internal, "page kind {} is no page table", kind_name(kind));
  return level;
}

[[noreturn]] void fail_entry(pfn_t pfn, const char* what, const entry_result& r) {
  fail(Errc::guest, "page {:#x} of the guest ({}) cannot be saved: entry {} is {:#x}, and its {}",
       pfn.raw(), what, r.index, r.entry, text_of(r.fault));
}

}  // namespace

std::unique_ptr<BatchContext::Scratch> BatchContext::take_scratch() {
  std::lock_guard lock(idle_mutex);
  if (idle.empty()) return std::make_unique<Scratch>(level);
  auto scratch = std::move(idle.back());
  idle.pop_back();
  return scratch;
}

void BatchContext::give_back(std::unique_ptr<Scratch> scratch) {
  std::lock_guard lock(idle_mutex);
  idle.push_back(std::move(scratch));
}

PageBatch::PageBatch(BatchContext& context, pfn_t& first)
    : context_(context), sequence_(context.writer.next_sequence()), begin_(first), end_(first) {
  collect(first);
  find_types();
  map();
}

void PageBatch::collect(pfn_t& first) {
  const pfn_t limit(std::min(context_.guest.nr_pfns(), first.raw() + kMaxPfnsPerRecord));
  for (; first < limit && pages_.size() < kPagesPerBatch; ++first) {
    Page page;
    if (context_.guest.frame_of(first, page.mfn)) {
      page.pfn = first;
      pages_.push_back(page);
    }
  }
  end_ = first;
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
  for (const Page& page : pages_)
    if (page.type != kTypeAbsent) frames.push_back(page.mfn);
  mapping_ = ForeignMapping(context_.xen, context_.domid, PROT_READ, frames, "pages of the guest");
}

v1::PageKind PageBatch::kind_of(const Page& page) const {
  const bool leaf = context_.guest.is_leaf(page.pfn);
  if (page.type == kTypeNone) return leaf ? v1::P2M_LEAF : v1::DATA;
  if (page.type == kTypeBroken)
    fail(Errc::guest, "page {:#x} of the guest is lost: its memory is marked broken",
         page.pfn.raw());
  if (leaf)
    fail(Errc::guest, "page {:#x} holds a part of the guest's p2m but Xen takes it for a table",
         page.pfn.raw());
  const auto kind = static_cast<v1::PageKind>(page.type);
  if (!is_page_table(kind))
    fail(Errc::internal, "Xen gave page {:#x} the unknown type {}", page.pfn.raw(), page.type);
  return kind;
}

// To pfn form, in place.
void PageBatch::convert(const Page& page, v1::PageKind kind, std::byte* copy) const {
  auto& entries = *reinterpret_cast<table_page*>(copy);
  if (is_page_table(kind)) {
    entry_result r = canonicalize_table(level_of(kind), entries, entries, context_.guest);
    if (!r.ok()) fail_entry(page.pfn, kind_name(kind), r);
  } else if (kind == v1::P2M_LEAF) {
    entry_result r = canonicalize_p2m_leaf(entries, entries, context_.guest);
    if (!r.ok()) fail_entry(page.pfn, "part of its p2m", r);
  } else if (page.pfn == context_.start_info) {
    canonicalize_start_info(copy, context_.guest.nr_pfns());
  }
}

void PageBatch::work() {
  auto scratch = context_.take_scratch();
  scratch->pages.resize(kPagesPerBatch * kPageSize);
  size_t mapped = 0, copied = 0;
  pfn_t next = begin_;
  for (const Page& page : pages_) {
    for (; next < page.pfn; ++next) append_page(runs_, next, v1::ABSENT);
    ++next;
    if (page.type == kTypeAbsent) {
      append_page(runs_, page.pfn, v1::ABSENT);
      continue;
    }
    std::byte* copy = scratch->pages.data() + copied * kPageSize;
    const bool some = copy_from_guest(mapping_.page(mapped++), copy);
    v1::PageKind kind = kind_of(page);
    if (kind == v1::DATA && !some) {
      append_page(runs_, page.pfn, v1::ZERO);
      continue;
    }
    convert(page, kind, copy);
    append_page(runs_, page.pfn, kind);
    ++copied;
  }
  for (; next < end_; ++next) append_page(runs_, next, v1::ABSENT);
  mapping_.unmap();
  record_ = scratch->encoder.encode(sequence_, context_.round, runs_,
                                    std::span(scratch->pages).first(copied * kPageSize));
  context_.give_back(std::move(scratch));
}

void PageBatch::consume() {
  context_.writer.write_pages(record_, runs_);
  context_.pages_done += pages_.size();
  if (context_.progress)
    context_.progress({"saving memory", context_.pages_done, context_.pages_total,
                       context_.writer.bytes_written()});
}

}  // namespace ferry
