// What an image says of its guest, in the plain form in which the engine takes it: numbers and
// bytes, nothing that has to be parsed.
//
//   RecordSource ──head, pages, vCPUs, …──▶ GuestRecords
//
// Who reads the image is a source; who makes a guest of it takes the records. Between both may lie
// the border of a process without rights (piped_records.h), so whoever takes them believes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intake/page_kind.h"
#include "p2m/frames.h"

namespace ferry {

inline constexpr uint64_t kMostPfns = uint64_t{1} << 32;        // of a guest: 16 TiB
inline constexpr uint64_t kMostPagesAtOnce = 1024;              // with bytes
inline constexpr uint64_t kMostPfnsAtOnce = uint64_t{1} << 16;  // with bytes or without
inline constexpr size_t kMostVcpuBytes = 64u << 10;  // of one: the largest XSAVE areas have 11 KiB
inline constexpr size_t kMostPolicyBytes = 256u << 10;  // Xen's own have some 10 KiB

struct GuestHead {
  uint64_t nr_pfns = 0;
  uint64_t populated_pages = 0;
  uint64_t p2m_root_pfn = 0;
  uint32_t max_vcpu_id = 0;
  bool linear_p2m = false;
  bool live = false;
};

struct PfnRun {
  pfn_t first;
  uint64_t count = 0;
};

struct KindRun {
  pfn_t first;
  uint32_t count = 0;
  PageKind kind = PageKind::data;
};

struct GuestTsc {
  uint32_t mode = 0;
  uint32_t khz = 0;
  uint64_t nsec = 0;
  uint32_t incarnation = 0;
};

// Blobs as Xen gives and takes them, every frame number in `basic` a pfn (xen/vcpu.h).
struct GuestVcpu {
  uint32_t id = 0;
  std::vector<std::byte> basic, extended, xsave, msrs;

  size_t bytes() const { return basic.size() + extended.size() + xsave.size() + msrs.size(); }
};

// That it is no larger than a guest's can be: kMostVcpuBytes, kMostPolicyBytes, a page. Throws
// Error(bad_image).
void check_vcpu_size(const GuestVcpu& vcpu);
void check_policy_size(std::span<const std::byte> cpuid_leaves, std::span<const std::byte> msrs);
void check_shared_info_size(std::span<const std::byte> page);

// Takes what a source says, in the order of the image, from one thread at a time. Each may throw
// Error, which ends the reading. record: the number of the record that says it, for sentences.
class GuestRecords {
 public:
  virtual ~GuestRecords() = default;

  virtual void head(const GuestHead& head) = 0;
  virtual void cpu_policy(std::span<const std::byte> cpuid_leaves,
                          std::span<const std::byte> msrs) = 0;
  virtual void populated(std::span<const PfnRun> runs) = 0;
  // pages: 4096 bytes for each page that has some, and maybe more behind. They may lie where
  // somebody else still writes: what is judged has to be a copy.
  virtual void pages(std::span<const KindRun> runs, std::span<const std::byte> pages) = 0;
  virtual void tsc(uint64_t record, const GuestTsc& tsc) = 0;
  virtual void shared_info(uint64_t record, std::span<const std::byte> page) = 0;
  virtual void vcpu(uint64_t record, GuestVcpu vcpu) = 0;
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // Returns when the image has been read to its end, which is sound: every digest was right, and
  // nothing is missing. Throws Error for one that is not, and what `into` threw.
  virtual void read(GuestRecords& into) = 0;
};

}  // namespace ferry
