// Are the pages of each vCPU's LDT what Xen wants when the guest first uses them?
//
// A restore does not look at an LDT: Xen maps its pages when a selector of it is loaded, by way of
// the vCPU's own page tables.
#include "audit/ldt.h"

#include "audit/descriptors.h"
#include "audit/walk.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

constexpr uint64_t kMostBatches = 1000;  // then the rest is left alone: bounded time

class LdtCheck {
 public:
  LdtCheck(PageReader& reader, const PageMap& map, Findings& findings)
      : reader_(reader), walker_(reader, map), map_(map), findings_(findings) {}

  void check(const VcpuRoots& vcpu) {
    if (!vcpu.cr3) return;
    const uint64_t pages = (vcpu.ldt_entries + kGdtEntriesPerPage - 1) / kGdtEntriesPerPage;
    for (uint64_t i = 0; i < pages && reader_.batches_read() < kMostBatches; ++i)
      check_page(vcpu, vcpu.ldt_base + i * kPageSize);
  }

 private:
  void check_page(const VcpuRoots& vcpu, uint64_t vaddr) {
    const Walk walk = walker_.walk(*vcpu.cr3, vaddr);
    const auto complain = [&](const Place& place, const std::string& what) {
      Place here = place;
      here.vcpu = vcpu.id;
      findings_.add(rule::ldt_pages, here, "The LDT of vCPU {} at {:#x} {}.", vcpu.id, vaddr, what);
    };
    if (!walk.pfn) return complain({}, fmt::format("is not mapped: {}", walk.fault));
    const uint64_t pfn = *walk.pfn;
    if (map_.kind(pfn) != v1::DATA && map_.kind(pfn) != v1::ZERO)
      return complain({.pfn = pfn},
                      fmt::format("is pfn {:#x}, which is {}", pfn, describe(map_, pfn)));
    const WalkStep& leaf = walk.steps[3];
    if ((leaf.entry & kPteWritable) != 0)
      return complain(
          {.pfn = leaf.table, .level = 1, .index = leaf.index},
          fmt::format("is mapped writable by entry {} of pfn {:#x}", leaf.index, leaf.table));
    std::array<std::byte, kPageSize> page{};
    if (map_.kind(pfn) == v1::ZERO || !reader_.read(pfn, page)) return;
    for (unsigned i = 0; i < kGdtEntriesPerPage; ++i) {
      const std::string_view fault = fault_of_descriptor(load_u64(page, i * sizeof(uint64_t)));
      if (fault.empty()) continue;
      return complain({.pfn = pfn, .index = i},
                      fmt::format("has a descriptor {} that {}", i, fault));
    }
  }

  PageReader& reader_;
  Walker walker_;
  const PageMap& map_;
  Findings& findings_;
};

}  // namespace

void check_ldt_pages(PageReader& reader, const PageMap& map, const GuestFacts& facts,
                     Findings& findings) {
  LdtCheck check(reader, map, findings);
  for (const VcpuRoots& vcpu : facts.vcpus)
    if (vcpu.ldt_entries != 0) check.check(vcpu);
}

}  // namespace ferry::audit
