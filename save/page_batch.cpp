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

[[noreturn]] void fail_entry(pfn_t pfn, v1::PageKind kind, const entry_result& r) {
  const char* const what = kind == v1::P2M_LEAF ? "part of its p2m" : kind_name(kind);
  fail(Errc::guest, "page {:#x} of the guest ({}) cannot be saved: entry {} is {:#x}, and its {}",
       pfn.raw(), what, r.index, r.entry, text_of(r.fault));
}

void add_absent(std::vector<PageRun>& runs, pfn_t first, uint64_t count) {
  if (!runs.empty() && runs.back().kind == v1::ABSENT &&
      runs.back().first + runs.back().count == first)
    runs.back().count += count;
  else
    runs.push_back({first, count, v1::ABSENT});
}

alignas(64) constexpr std::byte kZeros[kPageSize]{};

// Xen takes it for a page table.
bool has_table_type(PageType type) {
  return type != kTypeAbsent && type != kTypeBroken && type != kTypeNone;
}

}  // namespace

PageBatch::PageBatch(BatchContext& context, const Pass& pass, PageCursor& cursor)
    : context_(context), pass_(pass), memory_(context.memories.take()) {
  collect(cursor);
  if (empty()) return;
  find_types();
  number_parts();
  map();
}

std::unique_ptr<PageBatch> PageBatch::next(BatchContext& context, const Pass& pass,
                                           PageCursor& cursor) {
  std::unique_ptr<PageBatch> batch(new PageBatch(context, pass, cursor));
  return batch->empty() ? nullptr : std::move(batch);
}

void PageBatch::collect(PageCursor& cursor) {
  auto& pages = memory_->pages;
  auto& absent = memory_->absent;
  pages.clear();
  absent.clear();
  // What the base has beyond the guest's end is gone.
  const uint64_t all =
      std::max(pass_.guest->nr_pfns(), context_.base ? context_.base->nr_pfns() : uint64_t{0});
  const pfn_t end(cursor.wanted ? cursor.wanted->nr_pfns() : all);
  uint64_t taken = 0;
  while (taken < kMaxPfnsPerRecord && absent.size() < kMostHoles && pages.size() < kPagesPerBatch) {
    if (cursor.wanted && cursor.next < end) cursor.next = cursor.wanted->next(cursor.next);
    if (end <= cursor.next) return;
    BatchPage page;
    page.pfn = cursor.next;
    ++cursor.next;
    if (!pass_.guest->frame_of(page.pfn, page.mfn)) {
      pass_.observer->absent(page.pfn);
      if (leave_out(page.pfn, v1::ABSENT, nullptr)) continue;
      add_absent(absent, page.pfn, 1);
    } else if (cursor.kind == PageCursor::Kind::all) {
      pages.push_back(page);
    } else {
      continue;
    }
    ++taken;
  }
}

bool PageBatch::leave_out(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const {
  note_hash(pfn, kind, canonical);
  BasePages* const base = context_.base;
  if (base == nullptr) return false;
  const uint64_t n = pfn.raw();
  const bool same = kind == v1::ABSENT ? base->was_absent(n)
                    : kind == v1::ZERO ? base->was_zero(n)
                                       : base->was(n, static_cast<unsigned>(kind), canonical);
  if (!same) base->told(n);
  return same;
}

// Of the version that is sent last. No two batches of one look at the guest have the same page.
void PageBatch::note_hash(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const {
  if (context_.hashes == nullptr) return;
  const uint64_t n = pfn.raw();
  if (n >= context_.hashes->most_pfns())
    fail(Errc::unsupported, "there is room for the hashes of {} pages, and the guest has more",
         context_.hashes->most_pfns());
  if (kind == v1::ABSENT)
    context_.hashes->absent(n);
  else if (kind == v1::ZERO)
    context_.hashes->zero(n);
  else
    context_.hashes->page(n, static_cast<unsigned>(kind), canonical);
}

void PageBatch::find_types() {
  std::vector<mfn_t>& frames = memory_->frames;
  frames.clear();
  for (const BatchPage& page : memory_->pages) frames.push_back(page.mfn);
  get_page_types(context_.xen, context_.domid, frames, memory_->types);
  for (size_t i = 0; i < frames.size(); ++i) memory_->pages[i].type = memory_->types[i];
}

void PageBatch::number_parts() {
  const auto is_table = [](const BatchPage& page) { return has_table_type(page.type); };
  const auto& pages = memory_->pages;
  choice_ = context_.levels.next();
  tables_apart_ = choice_.level != 0 && std::ranges::any_of(pages, is_table) &&
                  !std::ranges::all_of(pages, is_table);
  memory_->part.sequence = context_.writer.next_sequence();
  if (tables_apart_) memory_->tables.sequence = context_.writer.next_sequence();
}

BatchPart& PageBatch::part_of(v1::PageKind kind) {
  return tables_apart_ && is_page_table(kind) ? memory_->tables : memory_->part;
}

void PageBatch::map() {
  std::vector<mfn_t>& frames = memory_->frames;
  frames.clear();
  for (BatchPage& page : memory_->pages) {
    if (page.type == kTypeAbsent || page.type == kTypeBroken) continue;
    page.mapped = true;
    page.at = frames.size();
    frames.push_back(page.mfn);
  }
  if (!running()) {
    mapping_ =
        ForeignMapping(context_.xen, context_.domid, PROT_READ, frames, "pages of the guest");
    return;
  }
  std::vector<int>& errors = memory_->errors;
  mapping_ = ForeignMapping(context_.xen, context_.domid, PROT_READ, frames, errors);
  for (BatchPage& page : memory_->pages)
    if (page.mapped && errors[page.at] != 0) page.mapped = false;  // given back a moment ago
}

// To pfn form, in place.
entry_result PageBatch::convert(pfn_t pfn, v1::PageKind kind, std::byte* copy) const {
  auto& entries = *reinterpret_cast<table_page*>(copy);
  if (is_page_table(kind))
    return canonicalize_table(level_of(kind), entries, entries, *pass_.guest);
  if (kind == v1::P2M_LEAF) return canonicalize_p2m_leaf(entries, entries, *pass_.guest);
  if (pfn == pass_.start_info) canonicalize_start_info(copy, pass_.guest->nr_pfns());
  return {};
}

// What the record says of the page, and where its data comes from if it has some.
void PageBatch::take(BatchPage& page, BatchScratch& scratch) {
  const bool leaf = pass_.guest->is_leaf(page.pfn);
  // The guest is moving its p2m; of one that stands still page_kind() says what is wrong.
  if (running() && leaf && has_table_type(page.type)) return pass_.observer->put_off(page.pfn);
  const v1::PageKind kind = page_kind(page.pfn, page.type, leaf);
  if (kind == v1::ABSENT) return take_absent(page);
  if (!page.mapped) return pass_.observer->put_off(page.pfn);
  if (kind == v1::DATA && guest_page_is_zero(mapping_.page(page.at))) return take_zero(page);
  // What is hashed has to be what is sent.
  if (kind != v1::DATA || page.pfn == pass_.start_info || context_.base != nullptr ||
      context_.hashes != nullptr)
    return take_converted(page, kind, scratch);
  page.content = mapping_.page(page.at);
  page.part = &memory_->part;
  append_page(memory_->part.runs, page.pfn, kind);
}

// A guest that runs may have lost the frame a moment ago.
void PageBatch::take_absent(const BatchPage& page) {
  if (!running()) fail_frame(page.pfn, page.mfn);
  if (!leave_out(page.pfn, v1::ABSENT, nullptr)) add_absent(memory_->part.runs, page.pfn, 1);
  pass_.observer->sent(page.pfn, page.mfn, v1::ABSENT, nullptr);
}

void PageBatch::take_zero(const BatchPage& page) {
  if (!leave_out(page.pfn, v1::ZERO, nullptr)) append_page(memory_->part.runs, page.pfn, v1::ZERO);
  pass_.observer->copied(page.pfn, kZeros);
  pass_.observer->sent(page.pfn, page.mfn, v1::DATA, kZeros);
}

void PageBatch::take_converted(BatchPage& page, v1::PageKind kind, BatchScratch& scratch) {
  auto* const copy = reinterpret_cast<std::byte*>(scratch.tables.emplace_back().entries);
  copy_from_guest(mapping_.page(page.at), copy);
  pass_.observer->copied(page.pfn, copy);
  const entry_result r = convert(page.pfn, kind, copy);
  if (!r.ok()) {
    if (!running()) fail_entry(page.pfn, kind, r);
    return pass_.observer->put_off(page.pfn);
  }
  pass_.observer->sent(page.pfn, page.mfn, kind, copy);
  if (leave_out(page.pfn, kind, copy)) return;
  page.content = copy;
  page.converted = true;
  BatchPart& part = part_of(kind);
  page.part = &part;
  append_page(part.runs, page.pfn, kind);
}

// All that the record's head says: only then can the data be hashed while it is copied.
void PageBatch::classify(BatchScratch& scratch) {
  constexpr size_t kAhead = 2;
  std::vector<PageRun>& runs = memory_->part.runs;
  runs.clear();
  memory_->tables.runs.clear();
  scratch.tables.clear();
  scratch.tables.reserve(memory_->pages.size());  // so that none of them moves
  auto hole = memory_->absent.begin();
  for (BatchPage& page : memory_->pages) {
    if (page.mapped && page.at + kAhead < mapping_.pages())
      expect_guest_page(mapping_.page(page.at + kAhead));
    for (; hole != memory_->absent.end() && hole->first < page.pfn; ++hole)
      add_absent(runs, hole->first, hole->count);
    take(page, scratch);
  }
  for (; hole != memory_->absent.end(); ++hole) add_absent(runs, hole->first, hole->count);
}

// Straight into the record. What the guest writes from now on is in it or not; whoever watches is
// told of what is.
void PageBatch::copy(BatchPart& part, PagesEncoder& encoder) {
  encoder.begin(part.record, part.sequence, pass_.round, part.runs);
  for (const BatchPage& page : memory_->pages) {
    if (page.part != &part) continue;
    std::byte* const copy = encoder.place();
    copy_from_guest(page.content, copy);
    if (!page.converted) {
      pass_.observer->copied(page.pfn, copy);
      pass_.observer->sent(page.pfn, page.mfn, v1::DATA, copy);
    }
    encoder.added();
  }
  encoder.finish();
}

void PageBatch::work() {
  const uint64_t began = context_.levels.now();
  auto scratch = context_.scratches.take();
  scratch->encoder.set_level(choice_.level);
  classify(*scratch);
  copy(memory_->part, scratch->encoder);
  if (tables_apart_) copy(memory_->tables, scratch->encoder);
  mapping_.unmap();
  context_.scratches.give_back(std::move(scratch));
  done_.work = context_.levels.now() - began;
}

uint64_t PageBatch::data_bytes() const {
  const auto with_data = [](const BatchPage& page) { return page.part != nullptr; };
  return static_cast<uint64_t>(std::ranges::count_if(memory_->pages, with_data)) * kPageSize;
}

void PageBatch::consume() {
  done_.write_began = context_.levels.now();
  const uint64_t before = context_.writer.bytes_written();
  context_.writer.write_pages(memory_->part.record.record(), memory_->part.runs);
  if (tables_apart_)
    context_.writer.write_pages(memory_->tables.record.record(), memory_->tables.runs);
  done_.stored = context_.writer.bytes_written() - before;
  done_.write_ended = context_.levels.now();
  done_.bytes = data_bytes();
  context_.levels.written(choice_, done_);
  pass_.progress->wrote(memory_->pages.size(), context_.writer.bytes_written());
  context_.memories.give_back(std::move(memory_));
}

}  // namespace ferry
