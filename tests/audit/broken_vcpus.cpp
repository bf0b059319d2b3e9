// Images whose vCPUs, shared_info or start_info break a rule.
#include "tests/audit/broken_image.h"

namespace ferry::test {
namespace {

using G = TestGuest;

constexpr size_t kRdx = 616, kFlags = 512, kGdtFrames = 4832, kGdtEntries = 4960;
constexpr size_t kRip = 648, kTraps = 720, kLdtBase = 4816, kLdtEntries = 4824, kSyscall = 5128,
                 kVmAssist = 5136, kFsBase = 5144;
constexpr uint64_t kNotCanonical = uint64_t{1} << 47;

Bytes changed_extended(size_t at, uint64_t value) {
  return changed([&](G& guest) { put(*guest.vcpu[1].record.mutable_extended(), at, value); });
}
Bytes changed_xsave(size_t at, uint64_t value) {
  return changed([&](G& guest) { put(*guest.vcpu[1].record.mutable_xsave(), at, value); });
}
Bytes changed_msr(uint32_t index, uint64_t value) {
  return changed([&](G& guest) {
    std::string& msrs = *guest.vcpu[0].record.mutable_msrs();
    put(msrs, 0, index);
    put(msrs, 8, value);
  });
}
std::vector<BrokenImage> vcpu_cases() {
  return {
      {"vcpu.missing", "one", [] { return changed([](G& guest) { guest.vcpu.pop_back(); }); }},
      {"vcpu.unexpected", "offline",
       [] { return changed([](G& guest) { guest.head.mutable_online_vcpus()->RemoveLast(); }); }},
      {"vcpu.unexpected", "beyond_of_live",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.head.set_start_info_pfn(0);
           guest.head.set_max_vcpu_id(0);
         });
       }},
      {"vcpu.missing", "first_of_live",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.head.set_start_info_pfn(0);
           guest.vcpu.erase(guest.vcpu.begin());
         });
       }},
      {"vcpu.unexpected", "twice",
       [] { return changed([](G& guest) { guest.vcpu.push_back(guest.vcpu[1]); }); }},
      {"vcpu.context-size", "short",
       [] { return changed([](G& guest) { guest.vcpu[1].record.mutable_basic()->pop_back(); }); }},
      {"vcpu.cr3", "l3", [] { return changed_vcpu(1, kCr3, G::kKernelL3 << 12); }},
      {"vcpu.cr3", "beyond", [] { return changed_vcpu(1, kCr3, uint64_t{0x7654} << 12); }},
      {"vcpu.cr3", "low_bits", [] { return changed_vcpu(0, kCr3, G::kKernelL4 << 12 | 8); }},
      {"vcpu.user-cr3", "l3", [] { return changed_vcpu(0, kCr1, G::kUserL3 << 12 | 1); }},
      {"vcpu.user-cr3", "no_bit", [] { return changed_vcpu(0, kCr1, G::kUserL4 << 12); }},
      {"vcpu.user-mode", "no_base",
       [] {
         return changed([](G& guest) {
           guest.vcpu[0].set(kFlags, 1);
           guest.vcpu[0].set(kCr1, 0);
         });
       }},
      {"vcpu.gdt-entries", "many", [] { return changed_vcpu(1, kGdtEntries, 7169); }},
      {"vcpu.gdt-frame", "table", [] { return changed_vcpu(1, kGdtFrames, G::kUserL1); }},
      {"vcpu.gdt-frame", "beyond", [] { return changed_vcpu(1, kGdtFrames, 600); }},
      {"vcpu.gdt-unused", "mfn", [] { return changed_vcpu(1, kGdtFrames + 8, 0x123456); }},
      {"vcpu.extended", "size",
       [] {
         return changed([](G& guest) { guest.vcpu[0].record.mutable_extended()->append(8, 0); });
       }},
      {"vcpu.xsave", "short",
       [] { return changed([](G& guest) { guest.vcpu[0].record.mutable_xsave()->pop_back(); }); }},
      {"vcpu.xsave-features", "masks", [] { return changed_xsave(0, 0xf); }},
      {"vcpu.xsave-features", "no_x87", [] { return changed_xsave(0, 6); }},
      {"vcpu.xsave-features", "ymm_without_sse", [] { return changed_xsave(0, 5); }},
      {"vcpu.xsave-features", "half_of_avx512", [] { return changed_xsave(8, 0x27); }},
      {"vcpu.xsave-features", "not_of_the_policy", [] { return changed_xsave(8, 0x207); }},
      {"vcpu.xsave-features", "header", [] { return changed_xsave(16 + 512, 0xf); }},
      {"vcpu.xsave-features", "compacted",
       [] { return changed_xsave(16 + 520, uint64_t{1} << 63 | 7); }},
      {"vcpu.xsave", "tiny",
       [] { return changed([](G& guest) { guest.vcpu[0].record.mutable_xsave()->resize(15); }); }},
      {"vcpu.msrs", "half",
       [] { return changed([](G& guest) { guest.vcpu[0].record.mutable_msrs()->resize(24); }); }},
      {"vcpu.msrs", "many",
       [] { return changed([](G& guest) { guest.vcpu[0].record.mutable_msrs()->resize(128); }); }},
      {"vcpu.msr-value", "unknown", [] { return changed_msr(0xc0000080, 0); }},
      {"vcpu.msr-value", "too_large", [] { return changed_msr(0xc0000103, 1ull << 32); }},
      {"vcpu.msr-value", "not_offered", [] { return changed_msr(0x48, 1); }},
      {"vcpu.msr-value", "no_faulting", [] { return changed_msr(0x140, 1); }},
      {"vcpu.msr-value", "no_mask", [] { return changed_msr(0xc0011027, 1); }},
      {"vcpu.msr-value", "reserved",
       [] {
         return changed([](G& guest) { put(*guest.vcpu[0].record.mutable_msrs(), 4, 1, 4); });
       }},
      {"vcpu.address", "rip", [] { return changed_vcpu(1, kRip, kNotCanonical); }},
      {"vcpu.address", "syscall", [] { return changed_vcpu(0, kSyscall, ~kNotCanonical); }},
      {"vcpu.address", "fs", [] { return changed_vcpu(0, kFsBase, kNotCanonical); }},
      {"vcpu.address", "trap",
       [] { return changed_vcpu(1, kTraps + 255 * 16 + 8, kNotCanonical); }},
      {"vcpu.address", "sysenter", [] { return changed_extended(16, kNotCanonical); }},
      {"vcpu.machine-checks", "unknown", [] { return changed_extended(32, 1 << 20); }},
      {"vcpu.vm-assist", "unknown", [] { return changed_vcpu(0, kVmAssist, 1 << 6); }},
      {"vcpu.ldt", "many", [] { return changed_vcpu(0, kLdtEntries, 8193); }},
      {"vcpu.ldt", "unaligned", [] { return changed_vcpu(0, kLdtBase, 0x1008); }},
      {"vcpu.ldt", "xens", [] { return changed_vcpu(0, kLdtBase, 0xffff800000001000); }},
      {"vcpu.ldt-pages", "hole", [] { return with_ldt(0); }},
      {"vcpu.ldt-pages", "table", [] { return with_ldt(table_entry(G::kUserL1, 0)); }},
      {"vcpu.ldt-pages", "writable", [] { return with_ldt(table_entry(G::kData)); }},
      {"vcpu.ldt-pages", "descriptor",
       [] { return with_ldt(table_entry(G::kData, 0), 0x0000890000000000); }},
      {"vcpu.gdt-descriptor", "tss",
       [] { return changed_page(G::kGdt1, 511, 0x0000890000000000); }},
      {"vcpu.gdt-descriptor", "gate", [] { return changed_page(G::kGdt0, 3, 0x0000ec00e0080000); }},
      {"vcpu.gdt-descriptor", "gate_bits",
       [] { return changed_page(G::kGdt0, 3, 0x0000ec0100100000); }},
  };
}

std::vector<BrokenImage> guest_page_cases() {
  return {
      {"shared-info.size", "short",
       [] { return changed([](G& guest) { guest.shared_info.mutable_page()->pop_back(); }); }},
      {"shared-info.p2m", "cr3",
       [] { return changed([](G& guest) { guest.set_shared_info(3112, 0x123456000); }); }},
      {"shared-info.p2m", "tree",
       [] {
         return changed([](G& guest) {
           guest.use_tree();
           guest.set_shared_info(3112, 0x123456000);
         });
       }},
      {"shared-info.p2m", "vaddr",
       [] { return changed([](G& guest) { guest.set_shared_info(3120, 0x1000); }); }},
      {"shared-info.frame-lists", "mfn",
       [] { return changed([](G& guest) { guest.set_shared_info(3096, 0x123456); }); }},
      {"shared-info.max-pfn", "below",
       [] { return changed([](G& guest) { guest.set_shared_info(3088, 599); }); }},
      {"start-info.page", "table", [] { return changed_vcpu(0, kRdx, G::kUserL1); }},
      {"start-info.page", "mfn", [] { return changed_vcpu(0, kRdx, 0x123456); }},
      {"start-info.head", "other",
       [] { return changed([](G& guest) { guest.head.set_start_info_pfn(G::kData); }); }},
      {"start-info.store", "mfn", [] { return changed_page(G::kStartInfo, 7, 0x123456); }},
      {"start-info.store", "absent", [] { return changed_page(G::kStartInfo, 7, G::kAbsent); }},
      {"start-info.shared-info", "maddr",
       [] { return changed_page(G::kStartInfo, 5, 0x123456000); }},
      {"start-info.console", "mfn", [] { return changed_page(G::kStartInfo, 9, 0x123456); }},
  };
}

}  // namespace

Bytes with_ldt(uint64_t entry, uint64_t descriptor) {
  return changed([&](G& guest) {
    guest.page(G::kKernelL4).words[1] = table_entry(G::kUserL3);
    guest.page(G::kUserL1).words[300] = entry;
    guest.page(G::kData).words.fill(0);
    guest.page(G::kData).words[5] = descriptor;
    guest.vcpu[0].set(kLdtBase, uint64_t{1} << 39 | uint64_t{511} << 30 | 7 << 21 | 300 << 12);
    guest.vcpu[0].set(kLdtEntries, 6);
  });
}

std::vector<BrokenImage> broken_vcpus() {
  std::vector<BrokenImage> all;
  for (auto part : {vcpu_cases, guest_page_cases})
    for (BrokenImage& broken : part()) all.push_back(std::move(broken));
  return all;
}

}  // namespace ferry::test
