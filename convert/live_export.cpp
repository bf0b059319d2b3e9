// An image on its way out, turned into a libxc stream while it is written.
#include "convert/live_export.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "convert/libxc_writer.h"
#include "error/error.h"
#include "proto/pages.h"

namespace ferry::convert {

struct LibxcSink::State {
  explicit State(ByteSink& out) : writer(out) {}

  // True when a whole record was taken from pending.
  bool take_record();
  void pass_on(const RawRecord& raw);
  void add_leaves(const v1::P2mFrames& frames);
  void pages(const RawRecord& raw);
  uint64_t leaves_wanted() const { return (head->nr_pfns() + 511) / 512; }

  LibxcWriter writer;
  Bytes pending;  // of a record that is not whole yet
  uint64_t sequence = 0, offset = 0;
  std::optional<v1::Head> head;
  v1::CpuPolicy policy;
  bool static_data_out = false;
  std::vector<uint64_t> leaves;
  std::vector<bool> sent;  // pfns that went out with a frame
  PagesDecoder decoder;
};

bool LibxcSink::State::take_record() {
  if (pending.size() < kRecordPrefix) return false;
  const size_t length = sequence == 0 ? kMagicRecord : record_length(pending, sequence, offset);
  if (pending.size() < length) return false;
  const auto end = pending.begin() + static_cast<ptrdiff_t>(length);
  pass_on(frame_record(Bytes(pending.begin(), end), sequence, offset));
  pending.erase(pending.begin(), end);
  ++sequence;
  offset += length;
  return true;
}

void LibxcSink::State::pass_on(const RawRecord& raw) {
  if (raw.kind == v1::Record::kPagesFieldNumber) return pages(raw);
  if (raw.kind > v1::Record::kEndFieldNumber) return;
  const v1::Record record = parse_record(raw);
  if (record.has_head()) head = record.head();
  if (record.has_cpu_policy()) policy = record.cpu_policy();
  if (record.has_p2m_frames()) add_leaves(record.p2m_frames());
  if (record.has_tsc()) {
    writer.flush_pages();
    writer.tsc(record.tsc());
  }
  if (record.has_shared_info()) writer.shared_info(*head, record.shared_info());
  if (record.has_vcpu()) writer.vcpu(record.vcpu());
  if (record.has_end()) writer.end();
}

// All of them in one record, although an image splits them. A guest that moved its p2m has a second
// list, which comes after its pages.
void LibxcSink::State::add_leaves(const v1::P2mFrames& frames) {
  if (!static_data_out) writer.static_data(*head, policy);
  static_data_out = true;
  if (frames.first_leaf() == 0) leaves.clear();
  leaves.insert(leaves.end(), frames.leaf_pfns().begin(), frames.leaf_pfns().end());
  if (leaves.size() < leaves_wanted()) return;
  writer.flush_pages();
  writer.p2m_frames(head->nr_pfns(), leaves);
}

void LibxcSink::State::pages(const RawRecord& raw) {
  const PagesView view = decode_pages(raw, head->nr_pfns());
  std::span<const std::byte> data = decoder.decompress(raw, view);
  sent.resize(head->nr_pfns());
  for (const PageRun& run : view.runs)
    for (uint64_t pfn = run.first.raw(); pfn < run.first.raw() + run.count; ++pfn) {
      const size_t bytes = has_data(run.kind) ? kPageSize : 0;
      // A hole that never was anything else need not be told.
      if (run.kind != v1::ABSENT || sent[pfn]) writer.page(pfn, run.kind, data.first(bytes));
      if (run.kind != v1::ABSENT) sent[pfn] = true;
      data = data.subspan(bytes);
    }
}

LibxcSink::LibxcSink(ByteSink& out) : state_(std::make_unique<State>(out)) {
}
LibxcSink::~LibxcSink() = default;

void LibxcSink::write(std::span<const std::byte> bytes) {
  state_->pending.insert(state_->pending.end(), bytes.begin(), bytes.end());
  while (state_->take_record()) {
  }
}

}  // namespace ferry::convert
