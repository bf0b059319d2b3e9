// A tiny guest that is complete, and images of it: every rule of an audit holds for TestGuest() as
// it is made; a test breaks one thing and builds an image of that.
//
//   pfn  0       L4 of the kernel, pinned        1-3   its L3, L2, L1 (L1 maps pfns 0 to 511)
//   pfn  4       L4 of user mode, pinned         5-7   its L3, L2, L1 (L1 maps pfns 20 to 31)
//   pfn  8       start_info   9 store page   10 console page (zero)   11, 12 GDTs of vCPU 0 and 1
//   pfn 13, 14   p2m leaves 0 and 1
//   pfn 15-17    L3, L2, L1 that map the leaves at kP2mVaddr
//   pfn 20-51    data         52-71 zero         72-597 absent         598, 599 data
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "proto/pages.h"
#include "proto/record.h"

namespace ferry::test {

using PageBytes = std::array<uint64_t, 512>;

struct TestPage {
  v1::PageKind kind = v1::DATA;
  PageBytes words{};  // nothing of it is stored for ABSENT and ZERO
};

struct TestVcpu {
  v1::Vcpu record;
  // Numbers inside record.basic().
  uint64_t get(size_t at) const;
  void set(size_t at, uint64_t value);
};

inline constexpr uint64_t kPresent = 1, kWritable = 2, kUser = 4, kLarge = 0x80;
// A present page-table entry of a PV guest: accessed, dirty, user.
constexpr uint64_t table_entry(uint64_t pfn, uint64_t flags = kWritable) {
  return pfn << 12 | 0x64 | kPresent | flags;
}

struct TestGuest {
  static constexpr uint64_t kPfns = 600;
  static constexpr uint64_t kKernelL4 = 0, kKernelL3 = 1, kKernelL2 = 2, kKernelL1 = 3;
  static constexpr uint64_t kUserL4 = 4, kUserL3 = 5, kUserL2 = 6, kUserL1 = 7;
  static constexpr uint64_t kStartInfo = 8, kStore = 9, kConsole = 10, kGdt0 = 11, kGdt1 = 12;
  static constexpr uint64_t kLeaf0 = 13, kLeaf1 = 14, kP2mL3 = 15, kP2mL2 = 16, kP2mL1 = 17;
  static constexpr uint64_t kData = 20, kZero = 52, kAbsent = 72, kLast = 599;
  static constexpr uint64_t kP2mVaddr = 0xffffc90000000000;

  explicit TestGuest(unsigned vcpus = 2);
  // The guest that a small image holds, the last version of each page; to be changed and built
  // again. Of records that can come several times only one Populated and one P2mFrames are read.
  static TestGuest of_image(const Bytes& image);

  v1::Head head;
  std::map<uint64_t, TestPage> pages;              // what is not here is absent
  std::vector<uint64_t> unmentioned;               // pfns the image says nothing about
  std::vector<uint64_t> leaves;                    // of the p2m
  std::optional<std::vector<uint64_t>> populated;  // runs; by default what pages says
  std::vector<TestVcpu> vcpu;
  v1::SharedInfo shared_info;
  v1::CpuPolicy cpu_policy;
  v1::Tsc tsc;
  std::optional<v1::Config> config = {};
  std::map<uint64_t, TestPage> earlier;  // older versions, of a live save's first round

  // Called for each small record before it is written; false leaves it out.
  std::function<bool(v1::Record&)> filter = {};
  std::vector<v1::Record> extra = {};  // written after the vCPUs
  unsigned pages_per_record = 16;
  int level = 1;  // of zstd

  TestPage& page(uint64_t pfn) { return pages.at(pfn); }
  void set_shared_info(size_t at, uint64_t value);
  // The p2m leaf entry of a pfn.
  uint64_t& p2m_entry(uint64_t pfn);
  // Makes the p2m a tree, with frame lists at pfns 20 and 21.
  void use_tree();
};

Bytes build(const TestGuest& guest);

// With one vCPU and few records, for tests that go through every byte: about 14 KiB.
Bytes small_image();

}  // namespace ferry::test
