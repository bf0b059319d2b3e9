// How an ELF core of a guest is laid out:
//
//   | ELF header, program headers | · | pages with a frame, by pfn | notes |
//
// The notes are last because what they say is known last. The pages are in one PT_LOAD for each
// range of pfns, physical addresses being pfns, virtual ones those of the kernel's direct map, and
// once more in one for the kernel's own image, as in /proc/vmcore.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/page_map.h"
#include "evidence/vcpus.h"
#include "io/byte_stream.h"

namespace ferry::evidence {

struct PfnSpan {
  uint64_t first = 0, count = 0;
};

// A core has at most so many ranges: short gaps between them count as pages of zeros then.
inline constexpr size_t kMostRanges = 1024;

// The ranges of pages with a frame, ascending.
std::vector<PfnSpan> populated_ranges(const audit::PageMap& map, size_t most = kMostRanges);

class CoreLayout {
 public:
  explicit CoreLayout(std::vector<PfnSpan> ranges);

  const std::vector<PfnSpan>& ranges() const { return ranges_; }
  uint64_t data_at() const { return data_at_; }    // file offset of the first page
  uint64_t notes_at() const { return notes_at_; }  // and of what follows the last
  // File offset of a page in one of the ranges.
  uint64_t offset_of(uint64_t pfn) const;

  // From a page on, where the kernel's image is mapped, and how many pages it has at most.
  struct KernelImage {
    uint64_t vaddr = 0, pfn = 0, pages = 0;
  };
  // Everything up to data_at(). direct_map: virtual address of pfn 0, if it is known.
  Bytes headers(std::optional<uint64_t> direct_map, const std::optional<KernelImage>& kernel,
                uint64_t notes_bytes) const;

 private:
  std::vector<PfnSpan> ranges_;
  std::vector<uint64_t> before_;  // pages in the ranges before each
  uint64_t data_at_ = 0, notes_at_ = 0;
};

// PRSTATUS of each vCPU, and VMCOREINFO with this text if there is one.
Bytes core_notes(const std::vector<VcpuState>& vcpus, const std::string& vmcoreinfo);

}  // namespace ferry::evidence
