// From an image of ferry's to a libxc stream: the last version of each page, once.
#include "convert/export.h"

#include <algorithm>
#include <mutex>

#include <cstring>
#include <map>

#include "audit/layout.h"
#include "audit/page_map.h"
#include "convert/libxc_stream.h"
#include "error/error.h"
#include "proto/pages.h"
#include "proto/record_reader.h"
#include "proto/wire.h"

namespace ferry::convert {
namespace {

template <typename... Fields>
Bytes body_of(Fields... fields) {
  Bytes out;
  (wire::put_fixed(out, fields), ...);
  return out;
}

void append(Bytes& out, const std::string& blob) {
  const auto bytes = std::as_bytes(std::span(blob));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// A PAGE_DATA record in the making.
class Pages {
 public:
  explicit Pages(ByteSink& sink) : sink_(sink) {}

  // page: only for types with data.
  void add(uint64_t pfn, unsigned type, std::span<const std::byte> page) {
    entries_.push_back(uint64_t{type} << 60 | pfn);
    if (type_has_data(type)) data_.insert(data_.end(), page.begin(), page.end());
    if (entries_.size() == kPagesPerRecord) flush();
  }
  void flush() {
    if (entries_.empty()) return;
    Bytes body = body_of(static_cast<uint32_t>(entries_.size()), uint32_t{0});
    const auto entries = std::as_bytes(std::span(entries_));
    body.insert(body.end(), entries.begin(), entries.end());
    body.insert(body.end(), data_.begin(), data_.end());
    sink_.write(encode_libxc_record(Type::page_data, body));
    entries_.clear();
    data_.clear();
  }

 private:
  ByteSink& sink_;
  std::vector<uint64_t> entries_;
  Bytes data_;
};

// What the jobs share; all but the decoders is the consumer's.
struct Export {
  Export(const ImageFile& from, ByteSink& to)
      : image(from), map(audit::PageMap::load(from)), sink(to), pages(to) {}

  std::unique_ptr<PagesDecoder> take_decoder() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<PagesDecoder>();
    auto decoder = std::move(idle.back());
    idle.pop_back();
    return decoder;
  }
  void give_back(std::unique_ptr<PagesDecoder> decoder) {
    std::lock_guard lock(mutex);
    idle.push_back(std::move(decoder));
  }

  const ImageFile& image;
  audit::PageMap map;
  ByteSink& sink;
  Pages pages;
  Converted done;
  std::mutex mutex;
  std::vector<std::unique_ptr<PagesDecoder>> idle;
};

class RecordJob final : public Job {
 public:
  RecordJob(Export& shared, RawRecord raw) : shared_(shared), raw_(std::move(raw)) {}

  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPagesFieldNumber) return;
    view_ = decode_pages(raw_, shared_.image.head().nr_pfns());
    decoder_ = shared_.take_decoder();
    data_ = decoder_->decompress(raw_, view_);
  }

  void consume() override {
    if (!decoder_) return;
    for (const PageRun& run : view_.runs)
      for (uint64_t i = 0; i < run.count; ++i) put(run.first.raw() + i, run.kind);
    shared_.give_back(std::move(decoder_));
  }

 private:
  void put(uint64_t pfn, v1::PageKind kind) {
    static const std::array<std::byte, kPageSize> kZeros{};
    std::span<const std::byte> page = kZeros;
    if (has_data(kind)) {
      page = data_.first(kPageSize);
      data_ = data_.subspan(kPageSize);
      if (shared_.map.kind(pfn) != kind || shared_.map.record_offset(pfn) != raw_.offset) return;
    } else if (shared_.map.kind(pfn) != kind || kind == v1::ABSENT) {
      return;
    }
    const bool plain = kind == v1::ZERO || kind == v1::P2M_LEAF;
    if (kind == v1::ZERO && shared_.map.seen_kind(pfn) != audit::kUnmentioned) return;
    shared_.map.see(pfn, kind, raw_.offset);
    shared_.pages.add(pfn, plain ? static_cast<unsigned>(v1::DATA) : static_cast<unsigned>(kind),
                      page);
    ++shared_.done.pages;
  }

  Export& shared_;
  RawRecord raw_;
  PagesView view_;
  std::unique_ptr<PagesDecoder> decoder_;
  std::span<const std::byte> data_;
};

// The small records of the image, which lie in any order there.
struct Small {
  v1::CpuPolicy policy;
  std::vector<uint64_t> leaves;
  v1::Tsc tsc;
  v1::SharedInfo shared_info;
  std::map<uint32_t, v1::Vcpu> vcpus;
};

Small read_small(const ImageFile& image) {
  Small small;
  uint64_t offset = 0;
  for (const uint64_t distance : image.index_root().other_offsets()) {
    offset += distance;
    const RawRecord raw = image.read_record(offset);
    if (raw.kind > v1::Record::kEndFieldNumber) continue;
    v1::Record record = parse_record(raw);
    if (record.has_cpu_policy()) small.policy = std::move(*record.mutable_cpu_policy());
    if (record.has_tsc()) small.tsc = record.tsc();
    if (record.has_shared_info()) small.shared_info = std::move(*record.mutable_shared_info());
    if (record.has_vcpu())
      small.vcpus.emplace(record.vcpu().id(), std::move(*record.mutable_vcpu()));
    if (!record.has_p2m_frames()) continue;
    if (record.p2m_frames().first_leaf() != small.leaves.size())
      fail(Errc::bad_image, "the image's list of p2m leaves has a gap");
    small.leaves.insert(small.leaves.end(), record.p2m_frames().leaf_pfns().begin(),
                        record.p2m_frames().leaf_pfns().end());
  }
  const uint64_t pfns = image.head().nr_pfns();
  if (small.leaves.size() != pfns / 512 + (pfns % 512 != 0))
    fail(Errc::bad_image, "the image lists {} p2m leaves for {} pfns", small.leaves.size(), pfns);
  if (!small.vcpus.contains(0)) fail(Errc::bad_image, "the image has no vCPU 0");
  return small;
}

void write_static(const v1::Head& head, const Small& small, ByteSink& sink) {
  const auto put = [&](Type type, std::span<const std::byte> body) {
    sink.write(encode_libxc_record(type, body));
  };
  sink.write(encode_libxc_headers(head.xen_major(), head.xen_minor()));
  put(Type::pv_info, body_of(uint32_t{0x0408}, uint32_t{0}));  // 8 bytes wide, 4 levels
  Bytes policy;
  append(policy, small.policy.cpuid_leaves());
  if (!policy.empty()) put(Type::cpuid_policy, policy);
  policy.clear();
  append(policy, small.policy.msrs());
  if (!policy.empty()) put(Type::msr_policy, policy);
  put(Type::static_data_end, {});
  Bytes frames = body_of(uint32_t{0}, static_cast<uint32_t>(head.nr_pfns() - 1));
  const auto leaves = std::as_bytes(std::span(small.leaves));
  frames.insert(frames.end(), leaves.begin(), leaves.end());
  put(Type::p2m_frames, frames);
}

// Where Xen has the machine address of the p2m's root there stands its pfn, as in all of the
// stream: as if the source's frames were numbered like its pfns.
Bytes shared_info_of(const v1::Head& head, const Small& small) {
  if (small.shared_info.page().size() != kPageSize)
    fail(Errc::bad_image, "shared_info has {} bytes", small.shared_info.page().size());
  const uint64_t root = head.p2m_root_pfn();
  if (root == 0)
    fail(Errc::unsupported, "the root of the guest's p2m is page 0, which Xen's format cannot say");
  std::string page = small.shared_info.page();
  const uint64_t lists = head.linear_p2m() ? 0 : root;
  const uint64_t p2m_cr3 = head.linear_p2m() ? root << kPageShift : 0;
  std::memcpy(page.data() + audit::kSharedFrameListListAt, &lists, sizeof lists);
  std::memcpy(page.data() + audit::kSharedP2mCr3At, &p2m_cr3, sizeof p2m_cr3);
  Bytes body;
  append(body, page);
  return body;
}

void write_vcpu(const v1::Vcpu& vcpu, ByteSink& sink) {
  const auto put = [&](Type type, const std::string& blob) {
    if (blob.empty()) return;
    Bytes body = body_of(vcpu.id(), uint32_t{0});
    append(body, blob);
    sink.write(encode_libxc_record(type, body));
  };
  put(Type::vcpu_basic, vcpu.basic());
  put(Type::vcpu_extended, vcpu.extended());
  put(Type::vcpu_xsave, vcpu.xsave());
  put(Type::vcpu_msrs, vcpu.msrs());
}

}  // namespace

Converted export_stream(const ImageFile& image, ByteSink& sink, Executor& executor) {
  const v1::Head& head = image.head();
  const Small small = read_small(image);
  Export shared(image, sink);
  write_static(head, small, sink);
  const std::unique_ptr<ByteSource> source = image.stream();
  RecordReader reader(*source);
  executor.run([&]() -> std::unique_ptr<Job> {
    std::optional<RawRecord> record = reader.next();
    if (!record) return nullptr;
    return std::make_unique<RecordJob>(shared, std::move(*record));
  });
  for (uint64_t pfn = 0; pfn < shared.map.size(); ++pfn)
    if (!shared.map.populated(pfn)) shared.pages.add(pfn, kNoFrame, {});
  shared.pages.flush();
  sink.write(encode_libxc_record(Type::tsc_info,
                                 body_of(small.tsc.mode(), small.tsc.khz(), small.tsc.nsec(),
                                         small.tsc.incarnation(), uint32_t{0})));
  sink.write(encode_libxc_record(Type::shared_info, shared_info_of(head, small)));
  for (const auto& [id, vcpu] : small.vcpus) write_vcpu(vcpu, sink);
  sink.write(encode_libxc_record(Type::end, {}));
  shared.done.vcpus = small.vcpus.size();
  return shared.done;
}

}  // namespace ferry::convert
