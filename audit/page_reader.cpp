// Single pages of an image, with one batch in memory at a time.
#include "audit/page_reader.h"

#include <algorithm>

#include "error/error.h"
#include "proto/pages.h"

namespace ferry::audit {

void PageReader::load(uint64_t offset) {
  if (batch_ && batch_->record.offset == offset) return;
  batch_.reset();
  ++batches_read_;
  RawRecord record = image_.read_record(offset);
  PagesView view = decode_pages(record, image_.head().nr_pfns());
  batch_.emplace();
  batch_->record = std::move(record);
  batch_->view = std::move(view);  // its data still points into record's bytes, which did not move
  batch_->pages = batch_->decoder.decompress(batch_->record, batch_->view);
}

bool PageReader::read(uint64_t pfn, std::span<std::byte, kPageSize> out) {
  try {
    load(map_.record_offset(pfn));
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
    batch_.reset();
    return false;
  }
  size_t before = 0;
  for (const PageRun& run : batch_->view.runs) {
    if (pfn >= run.first.raw() && pfn - run.first.raw() < run.count) {
      if (!has_data(run.kind)) return false;
      const size_t at = (before + (pfn - run.first.raw())) * kPageSize;
      std::copy_n(batch_->pages.begin() + static_cast<ptrdiff_t>(at), kPageSize, out.begin());
      return true;
    }
    if (has_data(run.kind)) before += run.count;
  }
  return false;
}

}  // namespace ferry::audit
