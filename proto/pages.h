// The bulk of an image: Pages records, written and read by hand because a message per page, or a
// copy per megabyte, would cost more than everything else. The bytes are those of ferry.v1.Pages;
// tests hold both against each other.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "p2m/frames.h"
#include "proto/record.h"

namespace ferry {

inline constexpr uint32_t kMaxPagesPerRecord = 1024;     // with data
inline constexpr uint64_t kMaxPfnsPerRecord = 1u << 16;  // with data or without
inline constexpr uint64_t kPfnsPerIndexPart = 1u << 16;
inline constexpr uint64_t kMaxPfns = uint64_t{1} << 32;  // of a guest: 16 TiB

struct PageRun {
  pfn_t first;
  uint64_t count = 0;
  v1::PageKind kind = v1::DATA;
  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// True for the kinds whose pages have 4096 bytes in Pages.data.
bool has_data(v1::PageKind kind);
// True for L1 to L4, pinned or not.
bool is_page_table(v1::PageKind kind);
bool is_pinned(v1::PageKind kind);
// 1 to 4 for page tables, 0 for everything else.
int table_level(v1::PageKind kind);
// "data", "L1 (pinned)", "zero", …
const char* kind_name(v1::PageKind kind);

// Adds one page, growing the last run where it fits. pfns must ascend.
void append_page(std::vector<PageRun>& runs, pfn_t pfn, v1::PageKind kind);

// Memory that one record after the other is written to. Nothing of it is cleared or given back in
// between, so that a record costs neither an allocation nor page faults.
class RecordBuffer {
 public:
  // What was encoded here last.
  std::span<const std::byte> record() const { return record_; }

 private:
  friend class PagesEncoder;
  struct Free {
    void operator()(std::byte* memory) const;
  };

  // Makes room for so many bytes of data behind a head of at most so many.
  void reserve(size_t head, size_t data);
  std::byte* data() const { return memory_.get() + data_at_; }

  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
  size_t data_at_ = 0;
  std::span<std::byte> record_;
};

// Encodes Pages records. Keeps a zstd context: one encoder a thread.
class PagesEncoder {
 public:
  // level: of zstd; 0 stores raw pages. Throws Error(usage).
  explicit PagesEncoder(int level);
  ~PagesEncoder();

  // Of the records from the next one on.
  void set_level(int level);

  // One record: begin(); then, for each page with data in order of pfn, 4096 bytes go to place()
  // and added() is called; then finish(), and `into` has the record. Raw pages are hashed while
  // they are in the processor's cache, and are where they belong at once.
  void begin(RecordBuffer& into, uint64_t sequence, uint32_t round, std::span<const PageRun> runs);
  std::byte* place();
  void added();
  void finish();

  // The same of pages that are there already: 4096 bytes for each with data.
  Bytes encode(uint64_t sequence, uint32_t round, std::span<const PageRun> runs,
               std::span<const std::byte> pages);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct PagesView {
  uint32_t round = 0;
  std::vector<PageRun> runs;
  v1::Codec codec = v1::RAW;
  uint32_t raw_bytes = 0;
  std::span<const std::byte> data;  // into the record
};

// Takes a Pages record apart; its digest must have been checked. Verified: runs ascend within the
// limits above and below nr_pfns, kinds are known, raw_bytes is 4096 for each page with data.
// Throws Error(bad_image).
PagesView decode_pages(const RawRecord& record, uint64_t nr_pfns);

// Decompresses to exactly raw_bytes, or throws Error(bad_image). A raw record costs no copy: the
// result then points into the record. One decoder a thread.
class PagesDecoder {
 public:
  PagesDecoder();
  ~PagesDecoder();
  std::span<const std::byte> decompress(const RawRecord& record, const PagesView& view);
  // The same into memory of the caller's, at least raw_bytes of it.
  void decompress_into(std::span<std::byte> memory, const RawRecord& record, const PagesView& view);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
