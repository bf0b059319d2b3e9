// One batch of pages on its way out of the guest:
// p2m -> types -> map -> copy -> classify -> canonicalize -> compress, digest -> write.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/pipeline.h"
#include "pipeline/progress.h"
#include "proto/pages.h"
#include "proto/record_writer.h"
#include "save/guest_view.h"
#include "xen/page_types.h"

namespace ferry {

// Pages of a batch that have a frame; holes between them come along for free. At most 2 MiB of
// data a record, about half of that in a typical guest.
inline constexpr size_t kPagesPerBatch = 512;

// What all batches of one save share.
struct BatchContext {
  const Hypervisor& xen;
  const domid_t domid;
  const GuestView& guest;
  const pfn_t start_info;
  RecordWriter& writer;
  const int level;  // of zstd, 0: none
  const uint32_t round;
  uint64_t pages_total;  // for progress
  ProgressSink progress;

  // Reusable memory of a job: an encoder and room for the copies.
  struct Scratch {
    explicit Scratch(int zstd_level) : encoder(zstd_level) {}
    PagesEncoder encoder;
    std::vector<std::byte> pages;
  };
  std::unique_ptr<Scratch> take_scratch();
  void give_back(std::unique_ptr<Scratch> scratch);

  // Pages that went through consume(). Only the consuming thread writes it.
  uint64_t pages_done = 0;

  std::mutex idle_mutex = {};
  std::vector<std::unique_ptr<Scratch>> idle = {};
};

class PageBatch final : public Job {
 public:
  // Takes the pfns from first on, and moves first behind them: p2m, types and mapping happen here,
  // on the thread that makes domctls. Throws.
  PageBatch(BatchContext& context, pfn_t& first);

  void work() override;     // copy, classify, canonicalize, compress, digest
  void consume() override;  // write

 private:
  struct Page {
    pfn_t pfn;
    mfn_t mfn;
    PageType type = kTypeAbsent;
  };

  void collect(pfn_t& first);
  void find_types();
  void map();
  v1::PageKind kind_of(const Page& page) const;
  void convert(const Page& page, v1::PageKind kind, std::byte* copy) const;

  BatchContext& context_;
  uint64_t sequence_;
  pfn_t begin_, end_;
  std::vector<Page> pages_;  // those with a frame
  ForeignMapping mapping_;   // of pages_ whose type is not absent, in order
  std::vector<PageRun> runs_;
  Bytes record_;
};

}  // namespace ferry
