// From a libxc stream to an image of ferry's: the last version of each page, once, and what the
// source left of its machine frames turned into pfns.
#include "convert/import.h"

#include <algorithm>
#include <cstring>

#include "audit/layout.h"
#include "convert/p2m_of_stream.h"
#include "error/error.h"
#include "pipeline/pool.h"
#include "proto/pages.h"
#include "proto/record_writer.h"

namespace ferry::convert {
namespace {

constexpr uint64_t kPfnMask = (uint64_t{1} << 52) - 1;
constexpr size_t kPagesPerBatch = 256;  // with data: a MiB

void store(std::string& bytes, size_t at, uint64_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

struct Batch {
  std::vector<PageRun> runs;
  Bytes pages;
  uint64_t pfns = 0;
  uint64_t next = 0;  // pfns ascend
};

class BatchJob final : public Job {
 public:
  BatchJob(RecordWriter& writer, Pool<PagesEncoder>& encoders, int level, Batch batch)
      : writer_(writer),
        encoders_(encoders),
        level_(level),
        batch_(std::move(batch)),
        sequence_(writer.next_sequence()) {}
  void work() override {
    auto encoder = encoders_.take(level_);
    record_ = encoder->encode(sequence_, 0, batch_.runs, batch_.pages);
    encoders_.give_back(std::move(encoder));
    batch_.pages = {};
  }
  void consume() override { writer_.write_pages(record_, batch_.runs); }

 private:
  RecordWriter& writer_;
  Pool<PagesEncoder>& encoders_;
  int level_;
  Batch batch_;
  uint64_t sequence_;
  Bytes record_;
};

// Hands out the last version of every page of the guest, a batch at a time: those with data in the
// order of the stream, then the p2m, then what has no frame.
class PageFeed {
 public:
  PageFeed(const Survey& survey, const P2mOfStream& p2m, uint64_t start_info)
      : survey_(survey), p2m_(p2m), start_info_(start_info) {}

  // An empty batch at the end.
  Batch next() {
    Batch batch;
    while (batch.pages.size() < kPagesPerBatch * kPageSize && batch.pfns < kMaxPfnsPerRecord) {
      if (!ready_ && !(ready_ = advance())) break;
      if (batch.pfns != 0 && pfn_ < batch.next) break;
      put(batch);
      ready_ = false;
    }
    return batch;
  }

 private:
  // Finds the next page of any kind; false at the end.
  bool advance() {
    while (at_batch_ < survey_.batches().size()) {
      if (entries_.empty()) entries_ = survey_.entries(survey_.batches()[at_batch_]);
      if (at_entry_ == entries_.size()) {
        ++at_batch_;
        entries_.clear();
        at_entry_ = data_before_ = 0;
        continue;
      }
      const uint64_t entry = entries_[at_entry_++];
      const auto type = static_cast<unsigned>(entry >> 60);
      pfn_ = entry & kPfnMask;
      page_at_ = data_before_;
      if (type_has_data(type)) ++data_before_;
      if (survey_.last(pfn_) == at_batch_ && is_last_here() && survey_.populated(pfn_) &&
          !p2m_.is_leaf(pfn_))
        return true;
    }
    for (; at_rest_ < survey_.nr_pfns(); ++at_rest_) {
      if (survey_.populated(at_rest_) && !p2m_.is_leaf(at_rest_)) continue;
      pfn_ = at_rest_++;
      return true;
    }
    return false;
  }

  // A batch may name a pfn twice.
  bool is_last_here() const {
    return std::none_of(entries_.begin() + static_cast<ptrdiff_t>(at_entry_), entries_.end(),
                        [&](uint64_t other) { return (other & kPfnMask) == pfn_; });
  }

  void put(Batch& batch) {
    v1::PageKind kind = v1::ABSENT;
    std::array<std::byte, kPageSize> page{};
    if (p2m_.is_leaf(pfn_)) {
      kind = v1::P2M_LEAF;
      p2m_.leaf_page(pfn_, page);
    } else if (survey_.populated(pfn_)) {
      kind = read(page);
    }
    append_page(batch.runs, pfn_t(pfn_), kind);
    if (has_data(kind)) batch.pages.insert(batch.pages.end(), page.begin(), page.end());
    ++batch.pfns;
    batch.next = pfn_ + 1;
  }

  v1::PageKind read(std::span<std::byte, kPageSize> page) const {
    const unsigned type = survey_.type(pfn_);
    if (!type_has_data(type)) return v1::ZERO;  // allocated, contents undefined
    const LibxcRecord& batch = survey_.batches()[at_batch_];
    survey_.stream().read(batch, 8 + entries_.size() * sizeof(uint64_t) + page_at_ * kPageSize,
                          page);
    if (pfn_ == start_info_) std::memset(page.data() + audit::kStartSharedInfoAt, 0, 8);
    const bool zero = std::all_of(page.begin(), page.end(), [](std::byte b) { return !int(b); });
    return type == v1::DATA && zero ? v1::ZERO : static_cast<v1::PageKind>(type);
  }

  const Survey& survey_;
  const P2mOfStream& p2m_;
  const uint64_t start_info_;
  size_t at_batch_ = 0, at_entry_ = 0;
  uint64_t data_before_ = 0, page_at_ = 0;
  std::vector<uint64_t> entries_;
  uint64_t at_rest_ = 0;
  uint64_t pfn_ = 0;
  bool ready_ = false;
};

uint64_t start_info_of(const Survey& survey) {
  return audit::load_u64(audit::bytes_of(survey.vcpu(0).basic()), audit::kVcpuRdxAt);
}

// (gap, count) runs of the pfns for which holds(pfn).
template <typename Holds>
std::vector<uint64_t> runs_where(uint64_t pfns, Holds holds) {
  std::vector<uint64_t> runs;
  uint64_t end = 0;
  for (uint64_t pfn = 0; pfn < pfns;) {
    const uint64_t first = pfn;
    while (pfn < pfns && holds(pfn)) ++pfn;
    if (pfn == first) {
      ++pfn;
      continue;
    }
    runs.push_back(first - end);
    runs.push_back(pfn - first);
    end = pfn;
  }
  return runs;
}

v1::Head make_head(const Survey& survey, const P2mOfStream& p2m, const std::string& origin) {
  v1::Head head;
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(survey.nr_pfns());
  uint64_t populated = 0;
  for (uint64_t pfn = 0; pfn < survey.nr_pfns(); ++pfn) populated += survey.populated(pfn);
  head.set_populated_pages(populated);
  for (const auto& [id, records] : survey.vcpus()) head.add_online_vcpus(id);
  head.set_max_vcpu_id(survey.vcpus().rbegin()->first);
  head.set_start_info_pfn(start_info_of(survey));
  head.set_linear_p2m(p2m.linear());
  if (p2m.linear())
    head.set_p2m_vaddr(
        audit::load_u64(audit::bytes_of(survey.shared_info.page()), audit::kSharedP2mVaddrAt));
  head.set_p2m_root_pfn(p2m.root_pfn());
  uint64_t end = 0;
  for (const uint64_t pfn : p2m.list_pfns()) {
    head.add_stale_frame_lists(pfn - end);
    head.add_stale_frame_lists(1);
    end = pfn + 1;
  }
  head.set_xen_major(survey.stream().xen_major());
  head.set_xen_minor(survey.stream().xen_minor());
  head.set_converted_from(origin);
  return head;
}

// Lists that may be too long for one record.
template <typename Put>
void in_pieces(size_t numbers, Put put) {
  constexpr size_t kMost = 1 << 16;
  for (size_t at = 0; at < numbers; at += kMost) put(at, std::min(numbers, at + kMost));
}

void write_layout(const Survey& survey, RecordWriter& writer) {
  const std::vector<uint64_t> runs =
      runs_where(survey.nr_pfns(), [&](uint64_t pfn) { return survey.populated(pfn); });
  uint64_t first = 0;
  in_pieces(runs.size(), [&](size_t from, size_t to) {
    v1::Record record;
    record.mutable_populated()->set_first_pfn(first);
    for (size_t i = from; i < to; ++i) {
      record.mutable_populated()->add_runs(runs[i]);
      first += runs[i];
    }
    writer.write(std::move(record));
  });
  in_pieces(survey.leaf_pfns().size(), [&](size_t from, size_t to) {
    v1::Record record;
    record.mutable_p2m_frames()->set_first_leaf(from);
    for (size_t i = from; i < to; ++i)
      record.mutable_p2m_frames()->add_leaf_pfns(survey.leaf_pfns()[i]);
    writer.write(std::move(record));
  });
}

void write_state(const Survey& survey, const P2mOfStream& p2m, RecordWriter& writer) {
  v1::Record record;
  *record.mutable_tsc() = survey.tsc;
  writer.write(record);
  *record.mutable_shared_info() = survey.shared_info;
  std::string& page = *record.mutable_shared_info()->mutable_page();
  store(page, audit::kSharedFrameListListAt, 0);
  store(page, audit::kSharedP2mCr3At, p2m.linear() ? p2m.root_pfn() << kPageShift : 0);
  writer.write(record);
  for (const auto& [id, records] : survey.vcpus()) {
    *record.mutable_vcpu() = survey.vcpu(id);
    std::string& context = *record.mutable_vcpu()->mutable_basic();
    const uint64_t entries = audit::load_u64(audit::bytes_of(context), audit::kVcpuGdtEntriesAt);
    const uint64_t used = entries / 512 + (entries % 512 != 0);
    for (uint64_t i = used; i < audit::kMaxGdtFrames; ++i)
      store(context, audit::kVcpuGdtFramesAt + i * sizeof(uint64_t), 0);
    writer.write(record);
  }
}

// "a libxc stream of version 3, from Xen 4.17, in a file of xl"
std::string origin_of(const LibxcStream& stream, const StreamPlace& place) {
  return fmt::format("a libxc stream of version {}, from Xen {}.{}{}", stream.version(),
                     stream.xen_major(), stream.xen_minor(), place.xl ? ", in a file of xl" : "");
}

}  // namespace

Converted import_stream(const InputFile& file, const StreamPlace& place,
                        const ImportOptions& options, ByteSink& sink, Executor& executor) {
  const Survey survey(file, place);
  const P2mOfStream p2m(survey);
  const v1::Head head = make_head(
      survey, p2m, options.origin.empty() ? origin_of(survey.stream(), place) : options.origin);
  RecordWriter writer(sink, survey.nr_pfns());
  v1::Record record;
  *record.mutable_head() = head;
  writer.write(record);
  if (options.config) {
    *record.mutable_config() = *options.config;
    writer.write(record);
  }
  if (!survey.cpu_policy.cpuid_leaves().empty()) {
    *record.mutable_cpu_policy() = survey.cpu_policy;
    writer.write(record);
  }
  write_layout(survey, writer);
  Pool<PagesEncoder> encoders;
  PageFeed feed(survey, p2m, head.start_info_pfn());
  executor.run([&]() -> std::unique_ptr<Job> {
    Batch batch = feed.next();
    if (batch.pfns == 0) return nullptr;
    return std::make_unique<BatchJob>(writer, encoders, options.level, std::move(batch));
  });
  write_state(survey, p2m, writer);
  writer.finish();
  return {.pages = head.populated_pages(), .vcpus = survey.vcpus().size()};
}

}  // namespace ferry::convert
