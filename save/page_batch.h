// One batch of pages on its way out of the guest:
// p2m -> types -> map -> classify, canonicalize -> copy and digest, or compress -> write.
#pragma once

#include <memory>

#include "base_pages/base_pages.h"
#include "pipeline/pipeline.h"
#include "pipeline/pool.h"
#include "proto/record_writer.h"
#include "save/batch_memory.h"
#include "save/level_control.h"
#include "save/pass.h"

namespace ferry {

// Pages of a batch that have a frame; holes between them come along for free. At most 2 MiB of
// data a record, about half of that in a typical guest.
inline constexpr size_t kPagesPerBatch = 512;

// What all batches of one save share.
struct BatchContext {
  const Hypervisor& xen;
  const domid_t domid;
  RecordWriter& writer;
  LevelControl levels;
  BasePages* const base = nullptr;    // of a delta: pages that are as it has them are left out
  BasePages* const hashes = nullptr;  // of the image, for the next delta

  Pool<BatchMemory> memories = {};
  Pool<BatchScratch> scratches = {};
};

class PageBatch final : public Job {
 public:
  // The next pages from the cursor on: p2m, types and mapping happen here, on the thread that makes
  // domctls. Null when there are none left. Throws.
  static std::unique_ptr<PageBatch> next(BatchContext& context, const Pass& pass,
                                         PageCursor& cursor);

  void work() override;     // classify, canonicalize, copy, compress, digest
  void consume() override;  // write

 private:
  PageBatch(BatchContext& context, const Pass& pass, PageCursor& cursor);
  bool running() const { return pass_.misfits == Misfits::put_off; }
  bool empty() const { return memory_->pages.empty() && memory_->absent.empty(); }
  void collect(PageCursor& cursor);
  void find_types();
  void number_parts();
  BatchPart& part_of(v1::PageKind kind);
  void map();
  // True if the base has the page so and the image has not said otherwise yet. The page hashes get
  // it in any case.
  bool leave_out(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const;
  void note_hash(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const;
  void classify(BatchScratch& scratch);
  void take(BatchPage& page, BatchScratch& scratch);
  void take_absent(const BatchPage& page);
  void take_zero(const BatchPage& page);
  void take_converted(BatchPage& page, v1::PageKind kind, BatchScratch& scratch);
  entry_result convert(pfn_t pfn, v1::PageKind kind, std::byte* copy) const;
  void copy(BatchPart& part, PagesEncoder& encoder);
  uint64_t data_bytes() const;

  BatchContext& context_;
  const Pass pass_;
  std::unique_ptr<BatchMemory> memory_;
  LevelControl::Choice choice_;
  LevelControl::Done done_;
  bool tables_apart_ = false;
  ForeignMapping mapping_;
};

}  // namespace ferry
