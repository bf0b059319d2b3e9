// How an ELF core of a guest is laid out.
#include "evidence/core_layout.h"

#include <elf.h>
#include <sys/procfs.h>

#include <algorithm>
#include <cstring>

#include "p2m/frames.h"

namespace ferry::evidence {
namespace {

void append(Bytes& to, const void* from, size_t bytes) {
  const auto* first = static_cast<const std::byte*>(from);
  to.insert(to.end(), first, first + bytes);
}

void append_note(Bytes& to, const char* name, uint32_t type, const void* text, size_t bytes) {
  const size_t name_bytes = std::strlen(name) + 1;
  const Elf64_Nhdr header{.n_namesz = static_cast<Elf64_Word>(name_bytes),
                          .n_descsz = static_cast<Elf64_Word>(bytes),
                          .n_type = type};
  append(to, &header, sizeof header);
  append(to, name, name_bytes);
  to.resize((to.size() + 3) / 4 * 4);
  append(to, text, bytes);
  to.resize((to.size() + 3) / 4 * 4);
}

// As the kernel writes it for /proc/vmcore.
elf_prstatus prstatus_of(const VcpuState& vcpu) {
  elf_prstatus status{};
  static_assert(sizeof status == 336);
  status.pr_pid = static_cast<pid_t>(vcpu.id) + 1;  // debuggers tell threads apart by it
  user_regs_struct regs{};
  static_assert(sizeof regs == sizeof status.pr_reg);
  regs.r15 = vcpu.r15;
  regs.r14 = vcpu.r14;
  regs.r13 = vcpu.r13;
  regs.r12 = vcpu.r12;
  regs.rbp = vcpu.rbp;
  regs.rbx = vcpu.rbx;
  regs.r11 = vcpu.r11;
  regs.r10 = vcpu.r10;
  regs.r9 = vcpu.r9;
  regs.r8 = vcpu.r8;
  regs.rax = vcpu.rax;
  regs.rcx = vcpu.rcx;
  regs.rdx = vcpu.rdx;
  regs.rsi = vcpu.rsi;
  regs.rdi = vcpu.rdi;
  regs.orig_rax = ~0ull;
  regs.rip = vcpu.rip;
  regs.cs = vcpu.cs;
  regs.eflags = vcpu.rflags;
  regs.rsp = vcpu.rsp;
  regs.ss = vcpu.ss;
  regs.fs_base = vcpu.fs_base;
  regs.gs_base = vcpu.in_kernel ? vcpu.gs_base_kernel : vcpu.gs_base_user;
  regs.ds = vcpu.ds;
  regs.es = vcpu.es;
  regs.fs = vcpu.fs;
  regs.gs = vcpu.gs;
  std::memcpy(&status.pr_reg, &regs, sizeof regs);
  return status;
}

std::vector<PfnSpan> ranges_with_gaps(const audit::PageMap& map, uint64_t gap, size_t most) {
  std::vector<PfnSpan> ranges;
  map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind kind, auto...) {
    if (kind == v1::ABSENT || kind == audit::kUnmentioned || ranges.size() > most) return;
    if (!ranges.empty() && first - (ranges.back().first + ranges.back().count) <= gap)
      ranges.back().count = first + count - ranges.back().first;
    else
      ranges.push_back({first, count});
  });
  return ranges;
}

}  // namespace

std::vector<PfnSpan> populated_ranges(const audit::PageMap& map, size_t most) {
  std::vector<PfnSpan> ranges = ranges_with_gaps(map, 0, most);
  for (uint64_t gap = 1; ranges.size() > most; gap *= 4) ranges = ranges_with_gaps(map, gap, most);
  return ranges;
}

CoreLayout::CoreLayout(std::vector<PfnSpan> ranges) : ranges_(std::move(ranges)) {
  // Beside the ranges, the notes and the kernel's image.
  const uint64_t headers = sizeof(Elf64_Ehdr) + (ranges_.size() + 2) * sizeof(Elf64_Phdr);
  data_at_ = (headers + kPageSize - 1) / kPageSize * kPageSize;
  uint64_t pages = 0;
  for (const PfnSpan& range : ranges_) {
    before_.push_back(pages);
    pages += range.count;
  }
  notes_at_ = data_at_ + pages * kPageSize;
}

uint64_t CoreLayout::offset_of(uint64_t pfn) const {
  const auto after = std::ranges::upper_bound(ranges_, pfn, {}, &PfnSpan::first);
  const auto i = static_cast<size_t>(after - ranges_.begin()) - 1;
  return data_at_ + (before_[i] + pfn - ranges_[i].first) * kPageSize;
}

Bytes CoreLayout::headers(std::optional<uint64_t> direct_map,
                          const std::optional<KernelImage>& kernel, uint64_t notes_bytes) const {
  std::vector<Elf64_Phdr> segments;
  segments.push_back({.p_type = PT_NOTE,
                      .p_flags = 0,
                      .p_offset = notes_at_,
                      .p_vaddr = 0,
                      .p_paddr = 0,
                      .p_filesz = notes_bytes,
                      .p_memsz = notes_bytes,
                      .p_align = 4});
  const auto load = [&](uint64_t vaddr, const PfnSpan& span) {
    segments.push_back({.p_type = PT_LOAD,
                        .p_flags = PF_R | PF_W | PF_X,
                        .p_offset = offset_of(span.first),
                        .p_vaddr = vaddr,
                        .p_paddr = span.first << kPageShift,
                        .p_filesz = span.count << kPageShift,
                        .p_memsz = span.count << kPageShift,
                        .p_align = kPageSize});
  };
  if (kernel) {
    for (const PfnSpan& range : ranges_)
      if (kernel->pfn >= range.first && kernel->pfn - range.first < range.count)
        load(kernel->vaddr,
             {kernel->pfn, std::min(kernel->pages, range.first + range.count - kernel->pfn)});
  }
  for (const PfnSpan& range : ranges_)
    load(direct_map ? *direct_map + (range.first << kPageShift) : 0, range);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments.size());
  Bytes bytes;
  append(bytes, &header, sizeof header);
  append(bytes, segments.data(), segments.size() * sizeof(Elf64_Phdr));
  bytes.resize(data_at_);
  return bytes;
}

Bytes core_notes(const std::vector<VcpuState>& vcpus, const std::string& vmcoreinfo) {
  Bytes notes;
  for (const VcpuState& vcpu : vcpus) {
    const elf_prstatus status = prstatus_of(vcpu);
    append_note(notes, "CORE", NT_PRSTATUS, &status, sizeof status);
  }
  if (!vmcoreinfo.empty())
    append_note(notes, "VMCOREINFO", 0, vmcoreinfo.data(), vmcoreinfo.size());
  return notes;
}

}  // namespace ferry::evidence
