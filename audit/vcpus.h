// Would Xen load each vCPU's state?
#pragma once

#include <vector>

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/report.h"

namespace ferry::audit {

// The vCPU records, one at a time; those of the CPU policy have been seen before. Marks the frames
// of GDTs in the map and finds start_info.
class VcpuCheck {
 public:
  VcpuCheck(const v1::Head& head, PageMap& map, GuestFacts& facts, Findings& findings);

  void add(const v1::Vcpu& vcpu, Place place);
  // After the last record.
  void finish();

 private:
  // False if this vCPU's roots must not be used.
  bool check_identity(uint32_t id, const Place& place);
  void check_bases(std::span<const std::byte> context, const Place& place, VcpuRoots& roots);
  void check_gdt(std::span<const std::byte> context, const Place& place, VcpuRoots& roots);
  void find_start_info(std::span<const std::byte> context, const Place& place);
  bool is_l4(uint64_t pfn) const;

  const v1::Head& head_;
  PageMap& map_;
  GuestFacts& facts_;
  Findings& findings_;
  std::vector<uint32_t> expected_;  // ids, ascending
  std::vector<bool> seen_;          // of expected_
};

}  // namespace ferry::audit
