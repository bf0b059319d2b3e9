// One batch of pages on its way out of the guest:
// p2m -> types -> map -> classify, canonicalize -> copy and digest, or compress -> write.
#pragma once

#include <memory>
#include <vector>

#include "base_pages/base_pages.h"
#include "canonicalize/table.h"
#include "pipeline/pipeline.h"
#include "pipeline/pool.h"
#include "pipeline/progress.h"
#include "proto/pages.h"
#include "proto/record_writer.h"
#include "save/guest_view.h"
#include "save/pfn_set.h"
#include "xen/page_types.h"

namespace ferry {

// Pages of a batch that have a frame; holes between them come along for free. At most 2 MiB of
// data a record, about half of that in a typical guest.
inline constexpr size_t kPagesPerBatch = 512;

// What a save that lasts longer than one pass wants to know of each page. For one pfn, calls come
// one after the other; for different pfns, from different threads at the same time.
class PageWatcher {
 public:
  virtual ~PageWatcher() = default;
  virtual void absent(pfn_t pfn) = 0;
  // The page as it was copied from the guest, before anything was made of it. Not the guest's own
  // memory, and nobody writes there.
  virtual void copied(pfn_t pfn, const std::byte* raw) = 0;
  // The page as it goes into the image; kind is DATA for zeros.
  virtual void sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind, const std::byte* canonical) = 0;
  // The guest was changing the page: it is not in the image and has to be tried again.
  virtual void put_off(pfn_t pfn) = 0;
};

// Memory of batches, used again and again: after the first few, pages and records take no more.

// What becomes one record.
struct BatchPart {
  uint64_t sequence = 0;
  std::vector<PageRun> runs;
  RecordBuffer record;
};
struct BatchPage {
  pfn_t pfn;
  mfn_t mfn;
  PageType type = kTypeAbsent;
  bool mapped = false;
  size_t at = 0;                       // in the mapping
  const std::byte* content = nullptr;  // of a page with data: where it is copied from
  bool converted = false;              // which is a copy already, in pfn form
  const BatchPart* part = nullptr;     // which has it
};
struct alignas(64) TableCopy {
  TableCopy() {}  // whatever was there: it is filled at once
  table_page entries;
};
// Of one batch from its beginning to its end.
struct BatchMemory {
  std::vector<BatchPage> pages;  // those with a frame
  std::vector<PageRun> absent;   // those without
  std::vector<mfn_t> frames;
  std::vector<PageType> types;
  std::vector<int> errors;
  // To be compressed, tables are apart from the rest: they compress as nothing else does, and what
  // lies beside them often does not at all. Otherwise there is one part.
  BatchPart part, tables;
};
// Of one that is worked on.
struct BatchScratch {
  explicit BatchScratch(int zstd_level) : encoder(zstd_level) {}
  PagesEncoder encoder;
  std::vector<TableCopy> tables;
};

// What all batches of one save share.
struct BatchContext {
  const Hypervisor& xen;
  const domid_t domid;
  std::shared_ptr<const GuestView> guest;  // of batches to come: the producing thread may change it
  pfn_t start_info;                        // beyond the guest while it is unknown
  RecordWriter& writer;
  const int level;  // of zstd, 0: none
  uint32_t round;
  uint64_t pages_total;  // for progress
  ProgressSink progress;
  PageWatcher* watcher = nullptr;
  bool running = false;       // the guest runs: what does not fit together is put off, not refused
  BasePages* base = nullptr;  // of a delta: pages that are as it has them are left out

  Pool<BatchMemory> memories = {};
  Pool<BatchScratch> scratches = {};

  // Pages that went through consume(). Only the consuming thread writes it.
  uint64_t pages_done = 0;
};

// Which pages batches take, one batch after the other.
struct PageCursor {
  enum class Pass { all, gone };
  pfn_t next{0};
  const PfnSet* wanted = nullptr;  // all pages if there is none
  Pass pass = Pass::all;           // gone: only those that have no frame
};

class PageBatch final : public Job {
 public:
  // The next pages from the cursor on: p2m, types and mapping happen here, on the thread that makes
  // domctls. Null when there are none left. Throws.
  static std::unique_ptr<PageBatch> next(BatchContext& context, PageCursor& cursor);

  void work() override;     // classify, canonicalize, copy, compress, digest
  void consume() override;  // write

 private:
  PageBatch(BatchContext& context, PageCursor& cursor);
  bool empty() const { return memory_->pages.empty() && memory_->absent.empty(); }
  void collect(PageCursor& cursor);
  void find_types();
  void number_parts();
  BatchPart& part_of(v1::PageKind kind);
  void map();
  // True if the base has the page so and the image has not said otherwise yet.
  bool in_base(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const;
  void classify(BatchScratch& scratch);
  void take(BatchPage& page, BatchScratch& scratch);
  void take_zero(const BatchPage& page);
  void take_converted(BatchPage& page, v1::PageKind kind, BatchScratch& scratch);
  entry_result convert(pfn_t pfn, v1::PageKind kind, std::byte* copy) const;
  void copy(BatchPart& part, PagesEncoder& encoder);

  BatchContext& context_;
  const std::shared_ptr<const GuestView> guest_;
  std::unique_ptr<BatchMemory> memory_;
  bool tables_apart_ = false;
  ForeignMapping mapping_;
};

}  // namespace ferry
