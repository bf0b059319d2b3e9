// The last version of a guest's pages, in order of pfn, whatever the order of the records that hold
// them: on several threads, with a few records in memory at a time.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "audit/page_map.h"
#include "pipeline/pipeline.h"
#include "pipeline/pool.h"
#include "proto/image_file.h"
#include "proto/pages.h"

namespace ferry::evidence {

// Pages in a row of which the index says one and the same.
struct AlikePages {
  uint64_t first = 0, count = 0;
  v1::PageKind kind = audit::kUnmentioned;
  uint64_t record = 0;  // the offset of the record that has them, if they have data

  bool has_data() const { return kind != audit::kUnmentioned && ferry::has_data(kind); }
};

// The index as runs, ascending, without an end between them: all pfns of the guest.
class RunReader {
 public:
  explicit RunReader(const audit::PageMap& map) : map_(map) {}

  // The next run, or nothing after the last.
  const AlikePages* peek();
  // Goes on by so many pages of what peek() gave.
  void skip(uint64_t pages);

 private:
  void refill();

  const audit::PageMap& map_;
  uint64_t next_ = 0;  // pfn that refill() begins at
  std::vector<AlikePages> window_;
  size_t at_ = 0;
};

// Memory for pages that is not cleared first, and kept for the next who needs some: fresh memory
// costs as much as what is put there.
class PageBuffer {
 public:
  // What was in it is gone.
  void make_room(size_t bytes) {
    if (bytes > room_) bytes_ = std::make_unique_for_overwrite<std::byte[]>(room_ = bytes);
    used_ = bytes;
  }
  std::span<std::byte> bytes() const { return {bytes_.get(), used_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t room_ = 0, used_ = 0;
};

// Pages that lie in memory of others, which stays as it is for as long as this is held.
struct SharedPages {
  std::shared_ptr<const void> held;
  std::span<const std::byte> bytes;
};

class GuestPages {
 public:
  // keep: records that stay decompressed, of at most 4 MiB each. Throws Error(bad_image).
  explicit GuestPages(const ImageFile& image, size_t keep = 3);

  const ImageFile& image() const { return image_; }
  const audit::PageMap& map() const { return map_; }
  uint64_t size() const { return map_.size(); }  // in pfns

  // Copies pages of one run, whose kind has data, to `into`. Safe on any thread. Throws
  // Error(bad_image) if the record does not hold what the index says.
  void copy(const AlikePages& run, std::span<std::byte> into) const;
  // The same of all of these that have data, without a copy: where a single record has them, one
  // behind the other, and not much else. Nothing where they have to be copied.
  std::optional<SharedPages> share(std::span<const AlikePages> runs) const;
  // One page of any kind. False if it has no frame, or there is no such pfn. Throws like copy().
  bool read(uint64_t pfn, std::span<std::byte, kPageSize> into) const;

  // For those who copy pages. Safe on any thread.
  Pool<PageBuffer>& buffers() const { return buffers_; }

 private:
  struct Decoded;
  struct Held;
  std::shared_ptr<Held> held(uint64_t record) const;
  std::shared_ptr<Held> decoded(uint64_t record) const;

  const ImageFile& image_;
  audit::PageMap map_;
  size_t keep_;
  mutable Pool<PageBuffer> buffers_;  // outlives those that give back to it
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<Held>> recent_;  // the latest first
  mutable Pool<PagesDecoder> decoders_;
};

inline constexpr uint64_t kMostChunkPages = 512;  // with data

// Some pages in a row, those with data in memory.
struct Chunk {
  std::vector<AlikePages> runs;
  std::span<const std::byte> data;  // 4096 bytes for each page that has data, in order

  uint64_t first() const { return runs.front().first; }
  uint64_t end() const { return runs.back().first + runs.back().count; }

  // visit(run, bytes), bytes being empty for kinds without data.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    std::span<const std::byte> rest = data;
    for (const AlikePages& run : runs) {
      const size_t bytes = run.has_data() ? run.count * kPageSize : 0;
      visit(run, rest.first(bytes));
      rest = rest.subspan(bytes);
    }
  }
};

// What is done with each chunk.
class ChunkVisit {
 public:
  virtual ~ChunkVisit() = default;
  virtual void work(Chunk&) {}       // on any thread
  virtual void consume(Chunk&) = 0;  // in order
};

// The whole guest in order, each pfn in one chunk. make() is called for each chunk; where it gives
// nothing, the sweep ends. Throws what any of them throws, Error(bad_image), Error(io).
void sweep(const GuestPages& pages, Executor& executor,
           const std::function<std::unique_ptr<ChunkVisit>()>& make);

// Threads that keep a sweep within the memory of a reader.
inline constexpr unsigned kMostThreads = 3;

}  // namespace ferry::evidence
