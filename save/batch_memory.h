// What a batch of pages needs memory for. It is used again and again: after the first few batches,
// pages and records take no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "canonicalize/table.h"
#include "p2m/frames.h"
#include "proto/pages.h"
#include "xen/page_types.h"

namespace ferry {

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

struct alignas(64) TableCopy {
  TableCopy() {}  // whatever was there: it is filled at once
  table_page entries;
};

// Of one that is worked on.
struct BatchScratch {
  PagesEncoder encoder{0};
  std::vector<TableCopy> tables;
};

}  // namespace ferry
