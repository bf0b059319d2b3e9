// A libxc stream of version 3, written from what an image says, record by record and in this order.
#pragma once

#include <span>
#include <vector>

#include "ferry/v1/image.pb.h"
#include "io/byte_stream.h"

namespace ferry::convert {

class LibxcWriter {
 public:
  explicit LibxcWriter(ByteSink& sink) : sink_(sink) {}

  // Both headers and all records up to STATIC_DATA_END.
  void static_data(const v1::Head& head, const v1::CpuPolicy& policy);
  // One pfn for each leaf of the p2m. May come again: the last list counts.
  void p2m_frames(uint64_t nr_pfns, std::span<const uint64_t> leaves);

  // One version of a page; a later one replaces it. bytes: as in an image, none for ABSENT and
  // ZERO.
  void page(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> bytes);
  // Pages are held until there are as many as belong into a record, or until this.
  void flush_pages();

  void tsc(const v1::Tsc& tsc);
  // Throws Error(bad_image) for one of the wrong size, Error(unsupported) for what the format
  // cannot say.
  void shared_info(const v1::Head& head, const v1::SharedInfo& shared_info);
  void vcpu(const v1::Vcpu& vcpu);
  void end();

 private:
  void add(uint64_t pfn, unsigned type, std::span<const std::byte> bytes);

  ByteSink& sink_;
  std::vector<uint64_t> entries_;
  Bytes data_;
};

}  // namespace ferry::convert
