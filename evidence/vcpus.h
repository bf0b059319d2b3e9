// What the vCPUs' registers were.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/image_file.h"

namespace ferry::evidence {

// Of a vCPU, named as the CPU and Xen name them.
struct VcpuState {
  uint32_t id = 0;
  bool in_kernel = false;
  uint64_t r15 = 0, r14 = 0, r13 = 0, r12 = 0, rbp = 0, rbx = 0, r11 = 0, r10 = 0, r9 = 0, r8 = 0,
           rax = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0;
  uint64_t rip = 0, rflags = 0, rsp = 0;
  uint16_t cs = 0, ss = 0, es = 0, ds = 0, fs = 0, gs = 0;
  uint64_t fs_base = 0, gs_base_kernel = 0, gs_base_user = 0;
  uint64_t cr3_pfn = 0, user_cr3_pfn = 0;  // 0: there is none
};

// In the order of their ids, each id once; none whose state is not that of a 64-bit guest. Throws
// Error(bad_image), Error(io).
std::vector<VcpuState> read_vcpus(const ImageFile& image);

// pfn of the L4 with the kernel's page tables, of the first vCPU. Throws Error(bad_image).
uint64_t kernel_root(const std::vector<VcpuState>& vcpus);

}  // namespace ferry::evidence
