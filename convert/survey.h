// One pass over a libxc stream: everything but the pages, and where the last version of each page
// is.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "convert/libxc_stream.h"
#include "ferry/v1/image.pb.h"
#include "p2m/frames.h"
#include "pfn_map/pfn_map.h"

namespace ferry::convert {

// Where the records of one vCPU are; of length 0: nowhere.
struct VcpuRecords {
  LibxcRecord basic, extended, xsave, msrs;
};

// About 5 bytes for each pfn that the stream has a page of, and 16 for each batch of pages.
class Survey {
 public:
  // Throws Error(bad_image) or Error(unsupported), naming the record.
  explicit Survey(const InputFile& file, const StreamPlace& place);

  uint64_t nr_pfns() const { return pages_.size(); }
  const std::vector<uint64_t>& leaf_pfns() const { return leaf_pfns_; }
  const LibxcStream& stream() const { return stream_; }

  // The page type of the last version: kNoFrame for what the stream does not mention.
  unsigned type(uint64_t pfn) const { return pages_.get(pfn).type; }
  bool populated(uint64_t pfn) const { return type(pfn) != kNoFrame && type(pfn) != kBroken; }

  // PAGE_DATA records, in order. last(pfn): which of them has the last version.
  const std::deque<LibxcRecord>& batches() const { return batches_; }
  uint32_t last(uint64_t pfn) const { return pages_.get(pfn).batch; }
  // type << 60 | pfn of each page of a batch, checked.
  std::vector<uint64_t> entries(const LibxcRecord& batch) const;

  // The last version of one page. False if it has no data.
  bool read_page(uint64_t pfn, std::span<std::byte, kPageSize> out) const;

  const std::map<uint32_t, VcpuRecords>& vcpus() const { return vcpus_; }
  // Read from the stream; its basic state has the size that it should.
  v1::Vcpu vcpu(uint32_t id) const;

  v1::CpuPolicy cpu_policy;  // both fields empty: the stream has none
  v1::Tsc tsc;
  v1::SharedInfo shared_info;  // as in the stream

 private:
  struct [[gnu::packed]] Page {
    uint8_t type = kNoFrame;
    uint32_t batch = 0;  // the last with this page
  };

  void take(const LibxcRecord& record);
  void take_p2m_frames(const LibxcRecord& record);
  void take_pages(const LibxcRecord& record);
  void take_vcpu(const LibxcRecord& record);
  void take_tsc(const LibxcRecord& record);
  void check_complete() const;

  LibxcStream stream_;
  bool pv_info_ = false, tsc_seen_ = false;
  std::vector<uint64_t> leaf_pfns_;
  PfnMap<Page> pages_;
  std::deque<LibxcRecord> batches_;
  std::map<uint32_t, VcpuRecords> vcpus_;
};

}  // namespace ferry::convert
