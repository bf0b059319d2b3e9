// One batch of pages on its way out of the guest:
// p2m -> types -> map -> copy -> classify -> canonicalize -> compress, digest -> write.
#pragma once

#include <memory>
#include <vector>

#include "base_pages/base_pages.h"
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
  // The page as it was copied from the guest, before anything was made of it.
  virtual void copied(pfn_t pfn, const std::byte* raw) = 0;
  // The page as it goes into the image; kind is DATA for zeros.
  virtual void sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind, const std::byte* canonical) = 0;
  // The guest was changing the page: it is not in the image and has to be tried again.
  virtual void put_off(pfn_t pfn) = 0;
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

  // Reusable memory of a job: an encoder and room for the copies.
  struct Scratch {
    explicit Scratch(int zstd_level) : encoder(zstd_level) {}
    PagesEncoder encoder;
    std::vector<std::byte> pages;
  };
  Pool<Scratch> scratches = {};

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

  void work() override;     // copy, classify, canonicalize, compress, digest
  void consume() override;  // write

 private:
  struct Page {
    pfn_t pfn;
    mfn_t mfn;
    PageType type = kTypeAbsent;
    bool mapped = false;
    size_t at = 0;  // in mapping_
  };

  PageBatch(BatchContext& context, PageCursor& cursor);
  bool empty() const { return pages_.empty() && absent_.empty(); }
  void collect(PageCursor& cursor);
  void find_types();
  void map();
  void add_absent(std::vector<PageRun>& runs, pfn_t first, uint64_t count) const;
  // True if the base has the page so and the image has not said otherwise yet.
  bool in_base(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) const;
  bool take(const Page& page, std::byte* copy);
  void convert(const Page& page, v1::PageKind kind, std::byte* copy) const;

  BatchContext& context_;
  const std::shared_ptr<const GuestView> guest_;
  uint64_t sequence_ = 0;
  std::vector<Page> pages_;      // those with a frame
  std::vector<PageRun> absent_;  // those without
  ForeignMapping mapping_;
  std::vector<PageRun> runs_;
  Bytes record_;
};

}  // namespace ferry
