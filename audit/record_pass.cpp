// One pass over all records, front to back, on all cores.
//
// Memory: records under way are limited to kMostUnderWay bytes in all (and one more, at most
// kMaxRecord), and each worker has one decoder, whose output is at most 4 MiB.
#include "audit/record_pass.h"

#include <condition_variable>
#include <mutex>

#include "audit/descriptors.h"
#include "audit/p2m.h"
#include "audit/page_table.h"
#include "error/error.h"
#include "pipeline/pool.h"
#include "proto/record_reader.h"

namespace ferry::audit {
namespace {

constexpr size_t kMostUnderWay = 16u << 20;

bool is_index(uint32_t kind) {
  return kind == v1::Record::kIndexPartFieldNumber || kind == v1::Record::kIndexRootFieldNumber;
}

Place place_of_record(const RawRecord& record) {
  return {.record = record.sequence, .offset = record.offset};
}

// Lets at most kMostUnderWay bytes of records be under way.
class Gate {
 public:
  void enter(size_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == 0 || inside_ + bytes <= kMostUnderWay; });
    inside_ += bytes;
  }
  void leave(size_t bytes) {
    std::lock_guard lock(mutex_);
    inside_ -= bytes;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t inside_ = 0;
};

// All that the jobs of one pass share. Everything from `bytes` down is the consumer's.
struct Shared {
  Shared(const PassInput& of, Findings& about_bytes, Findings& about_guest)
      : input(of), bytes(about_bytes), guest(about_guest) {}

  const PassInput& input;
  RecordReader* reader = nullptr;
  Gate gate;
  Pool<PagesDecoder> decoders;
  std::mutex parsing;
  Findings& bytes;
  Findings& guest;
  PassTotals totals;
  uint64_t next_other = 0;     // offset of the next record that the index root names
  int others_seen = 0;         // how many of its other_offsets have been passed
  bool memory_begun = false;   // a Populated, P2mFrames or Pages record has been passed
  bool pages_begun = false;    // a Pages record has
  std::exception_ptr failure;  // the first that is not about the image
};

class RecordJob final : public Job {
 public:
  RecordJob(Shared& shared, RawRecord record)
      : shared_(shared),
        record_(std::move(record)),
        bytes_in_gate_(record_.bytes.size()),
        bytes_(shared.bytes.keep()),
        guest_(shared.guest.keep()) {
    shared_.gate.enter(bytes_in_gate_);
  }
  ~RecordJob() override {
    shared_.reader->reuse(std::move(record_.bytes));
    shared_.gate.leave(bytes_in_gate_);
  }

  // Neither throws: the producer may be waiting at the gate for this job to end.
  void work() override {
    try {
      judge();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  void consume() override {
    try {
      account();
    } catch (...) {
      failure_ = std::current_exception();
    }
    if (failure_ && !shared_.failure) shared_.failure = failure_;
  }

 private:
  void judge();
  void account();
  void judge_pages();
  void judge_contents(std::span<const std::byte> pages);
  void check_known();
  void check_listed();
  void check_order();

  Shared& shared_;
  RawRecord record_;
  size_t bytes_in_gate_;
  Findings bytes_, guest_;
  PagesView pages_;
  std::exception_ptr failure_;
};

void RecordJob::judge() {
  if (shared_.input.level < Level::digests) return;
  try {
    check_digest(record_);
  } catch (const Error& error) {
    bytes_.add(rule::digest, place_of_record(record_), "{}", error.what());
    return;
  }
  if (record_.kind == v1::Record::kPagesFieldNumber) return judge_pages();
  if (record_.kind > v1::Record::kEndFieldNumber || is_index(record_.kind)) return;
  try {
    std::lock_guard lock(
        shared_.parsing);  // a parsed record is larger than its bytes: one at a time
    parse_record(record_);
  } catch (const Error& error) {
    bytes_.add(rule::body, place_of_record(record_), "{}", error.what());
  }
}

void RecordJob::judge_pages() {
  std::unique_ptr<PagesDecoder> decoder = shared_.decoders.take();
  try {
    pages_ = decode_pages(record_, shared_.input.image.head().nr_pfns());
    const std::span<const std::byte> pages = decoder->decompress(record_, pages_);
    if (shared_.input.map != nullptr) judge_contents(pages);
  } catch (const Error& error) {
    pages_.runs.clear();
    bytes_.add(rule::page_batch, place_of_record(record_), "{}", error.what());
  }
  pages_.data = {};
  shared_.decoders.give_back(std::move(decoder));
}

// The last version of a page counts, the one that the index points at; of earlier ones only what
// could end a restore.
void RecordJob::judge_contents(std::span<const std::byte> pages) {
  PageMap& map = *shared_.input.map;
  Place place = place_of_record(record_);
  size_t at = 0;
  for (const PageRun& run : pages_.runs) {
    if (!has_data(run.kind)) continue;
    for (uint64_t i = 0; i < run.count; ++i, at += kPageSize) {
      const uint64_t pfn = run.first.raw() + i;
      const bool last = map.kind(pfn) == run.kind && map.record_offset(pfn) == record_.offset;
      const bool table = is_page_table(run.kind) && shared_.input.level >= Level::full;
      const bool leaf = run.kind == v1::P2M_LEAF;
      if (!last && !table && !leaf) continue;
      place.pfn = pfn;
      place.level = {};
      if (table) place.level = static_cast<unsigned>(table_level(run.kind));
      const auto page = pages.subspan(at).first<kPageSize>();
      if (leaf && (!last || !map.marked(pfn, PageMap::kLeafFrame))) {
        check_loose_leaf(map, place, page, !last, guest_);
      } else if (!last) {
        check_replaced_table(map, place, page, guest_);
      } else if (leaf) {
        check_leaf_page(map, *shared_.input.facts, place, page, guest_);
      } else if (table) {
        check_table(map, place, page, guest_);
      } else if (shared_.input.level >= Level::full && map.marked(pfn, PageMap::kGdtFrame)) {
        check_gdt_page(place, page, guest_);
      }
    }
  }
}

void RecordJob::account() {
  shared_.totals.records++;
  shared_.bytes.merge(std::move(bytes_));
  shared_.guest.merge(std::move(guest_));
  check_known();
  check_order();
  if (record_.kind == v1::Record::kPagesFieldNumber) {
    shared_.totals.pages_records++;
    shared_.totals.pages_bytes += record_.bytes.size();
    if (shared_.input.map == nullptr) return;
    for (const PageRun& run : pages_.runs)
      shared_.input.map->see(run.first.raw(), run.count, run.kind, record_.offset);
  } else {
    check_listed();
  }
}

void RecordJob::check_known() {
  if (record_.kind <= v1::Record::kEndFieldNumber) return;
  shared_.bytes.add(rule::unknown_record, place_of_record(record_),
                    "The record is of kind {}, which this version does not know.", record_.kind);
}

void RecordJob::check_order() {
  const uint32_t kind = record_.kind;
  const bool layout =
      kind == v1::Record::kPopulatedFieldNumber || kind == v1::Record::kP2MFramesFieldNumber;
  if (kind == v1::Record::kPagesFieldNumber) {
    shared_.memory_begun = shared_.pages_begun = true;
  } else if (kind == v1::Record::kP2MFramesFieldNumber && shared_.input.image.head().live()) {
    shared_.memory_begun = true;  // again, if the guest moved its p2m meanwhile
  } else if (kind == v1::Record::kCpuPolicyFieldNumber ? shared_.memory_begun
                                                       : layout && shared_.pages_begun) {
    shared_.guest.add(rule::record_order, place_of_record(record_), "{} too late.",
                      layout ? "The layout of the guest's memory comes" : "The CPU policy comes");
  } else if (layout) {
    shared_.memory_begun = true;
  }
}

// The index root names every other record, in order: walk both lists side by side.
void RecordJob::check_listed() {
  if (record_.kind == v1::Record::kMagicFieldNumber || is_index(record_.kind) ||
      record_.kind == v1::Record::kEndFieldNumber || shared_.input.map == nullptr)
    return;
  const auto& others = shared_.input.image.index_root().other_offsets();
  const int seen = shared_.others_seen;
  if (seen < others.size() && shared_.next_other + others[seen] == record_.offset) {
    shared_.next_other += others[seen];
    shared_.others_seen++;
    return;
  }
  shared_.guest.add(rule::index_others, place_of_record(record_),
                    "The index root does not name this record.");
}

}  // namespace

PassTotals pass_over_records(const PassInput& input, Executor& executor, Findings& bytes,
                             Findings& guest) {
  Shared shared(input, bytes, guest);
  std::unique_ptr<ByteSource> source = input.image.stream();
  RecordReader reader(*source);
  shared.reader = &reader;
  std::optional<std::string> framing;
  executor.run([&]() -> std::unique_ptr<Job> {
    try {
      std::optional<RawRecord> record = reader.next();
      if (record) return std::make_unique<RecordJob>(shared, std::move(*record));
    } catch (const Error& error) {
      if (error.code() != Errc::bad_image) throw;
      framing = error.what();
    }
    return nullptr;
  });
  if (shared.failure) std::rethrow_exception(shared.failure);
  if (framing) bytes.add(rule::framing, {}, "{}", *framing);
  return shared.totals;
}

}  // namespace ferry::audit
