// For each rule an image that breaks exactly that rule gives exactly that finding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "error/error.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/image_surgery.h"

namespace ferry::test {
namespace {

using G = TestGuest;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr size_t kRdx = 616, kFlags = 512, kGdtFrames = 4832, kGdtEntries = 4960, kCr1 = 4992,
                 kCr3 = 5008;
constexpr size_t kRip = 648, kTraps = 720, kLdtBase = 4816, kLdtEntries = 4824, kSyscall = 5128,
                 kVmAssist = 5136, kFsBase = 5144;
constexpr uint64_t kNotCanonical = uint64_t{1} << 47;
constexpr uint64_t kNoFrame = ~uint64_t{0};

Piece& find(std::vector<Piece>& pieces, uint32_t kind) {
  for (Piece& piece : pieces)
    if (piece.kind == kind) return piece;
  throw std::runtime_error("no such record");
}

// An image of a whole guest, one record of which is edited.
Bytes edited(uint32_t kind, const std::function<void(v1::Record&)>& change) {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  edit(find(pieces, kind), change);
  return put_together(pieces);
}

// An image of a guest that was changed.
Bytes changed(const std::function<void(TestGuest&)>& change) {
  TestGuest guest;
  change(guest);
  return build(guest);
}

// Without the record of this kind.
Bytes without(v1::Record::BodyCase kind) {
  return changed([&](G& guest) {
    guest.filter = [kind](v1::Record& record) { return record.body_case() != kind; };
  });
}

// A page of the guest becomes absent, in every place that says so.
void remove_page(TestGuest& guest, uint64_t pfn) {
  guest.pages.erase(pfn);
  guest.p2m_entry(pfn) = kNoFrame;
  guest.page(G::kKernelL1).words[pfn] = 0;
  guest.head.set_populated_pages(guest.pages.size());
}

Bytes damaged_digest() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at + 1] ^= std::byte{1};
  return put_together(pieces);
}

// A body whose digest is right and that is no message.
Bytes undecodable_body() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at] = std::byte{0x0f};  // no such wire type
  reseal(piece);
  return put_together(pieces);
}

// An image whose first batch is no zstd frame.
Bytes undecodable_pages() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find(pieces, v1::Record::kPagesFieldNumber);
  const Bytes magic{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
  auto frame = std::search(piece.bytes.begin(), piece.bytes.end(), magic.begin(), magic.end());
  if (frame == piece.bytes.end()) throw std::runtime_error("the batch is not compressed");
  *frame ^= std::byte{1};
  reseal(piece);
  return put_together(pieces);
}

// A second Magic instead of a Tsc record: the reader does not take it.
Bytes wrong_order() {
  return edited(v1::Record::kTscFieldNumber,
                [](v1::Record& record) { record.mutable_magic()->set_major(1); });
}

// The index points one byte beside the second batch, which has data pages only.
Bytes index_beside_record() {
  return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
    auto& offsets = *record.mutable_index_part()->mutable_record_offsets();
    offsets[1] = offsets[1] - 1;
    offsets[2] = offsets[2] + 1;
  });
}

void put(std::string& bytes, size_t at, uint64_t value, size_t size = 8) {
  std::memcpy(bytes.data() + at, &value, size);
}

// The CPU policy at the end.
Bytes late_policy() {
  return changed([](G& guest) {
    *guest.extra.emplace_back().mutable_cpu_policy() = guest.cpu_policy;
    auto first = std::make_shared<bool>(true);
    guest.filter = [first](v1::Record& record) {
      return !record.has_cpu_policy() || !std::exchange(*first, false);
    };
  });
}

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
// One word of the CPUID leaf number n.
Bytes changed_leaf(size_t n, size_t word, uint32_t value) {
  return changed([&](G& guest) {
    put(*guest.cpu_policy.mutable_cpuid_leaves(), n * 24 + word * 4, value, 4);
  });
}

// vCPU 0 has an LDT at the user's address that slot 300 of its L1 maps.
Bytes with_ldt(uint64_t entry, uint64_t descriptor = 0) {
  return changed([&](G& guest) {
    guest.page(G::kKernelL4).words[1] = table_entry(G::kUserL3);
    guest.page(G::kUserL1).words[300] = entry;
    guest.page(G::kData).words.fill(0);
    guest.page(G::kData).words[5] = descriptor;
    guest.vcpu[0].set(kLdtBase, uint64_t{1} << 39 | uint64_t{511} << 30 | 7 << 21 | 300 << 12);
    guest.vcpu[0].set(kLdtEntries, 6);
  });
}

// A whole image of a live save in which one table was sent twice, the first time like this.
Bytes replaced_entry(uint64_t pfn, unsigned index, uint64_t value) {
  return changed([&](G& guest) {
    guest.head.set_live(true);
    guest.head.set_start_info_pfn(0);
    guest.earlier[pfn] = guest.page(pfn);
    guest.earlier[pfn].words[index] = value;
  });
}

// The user's L4 maps the kernel's, which Xen has not seen yet when it loads vCPU 0.
Bytes linear_too_early() {
  return changed([](G& guest) {
    guest.page(G::kUserL4).words[255] = table_entry(G::kKernelL4, 0);
    guest.vcpu[0].set(kCr3, G::kUserL4 << 12);
    guest.vcpu[0].set(kCr1, 0);
    guest.vcpu[1].set(kCr3, G::kUserL4 << 12);
    guest.vcpu[1].set(kCr1, 0);
  });
}

struct Case {
  std::string rule;
  std::string name;  // what is broken, in a word
  std::function<Bytes()> image;
};

Bytes changed_page(uint64_t pfn, unsigned index, uint64_t value) {
  return changed([&](G& guest) { guest.page(pfn).words[index] = value; });
}
Bytes changed_vcpu(unsigned id, size_t at, uint64_t value) {
  return changed([&](G& guest) { guest.vcpu[id].set(at, value); });
}

std::vector<Case> record_cases() {
  return {
      {"format.framing", "order", wrong_order},
      {"digest.mismatch", "tsc", damaged_digest},
      {"format.body", "tsc", undecodable_body},
      {"format.pages", "zstd", undecodable_pages},
      {"record.missing", "tsc", [] { return without(v1::Record::kTsc); }},
      {"record.missing", "shared_info", [] { return without(v1::Record::kSharedInfo); }},
      {"record.missing", "populated", [] { return without(v1::Record::kPopulated); }},
      {"record.missing", "p2m_frames", [] { return without(v1::Record::kP2MFrames); }},
      {"record.no-cpu-policy", "gone", [] { return without(v1::Record::kCpuPolicy); }},
      {"record.order", "policy", late_policy},
      {"tsc.mode", "three", [] { return changed([](G& guest) { guest.tsc.set_mode(3); }); }},
      {"cpu-policy.leaf", "unknown", [] { return changed_leaf(4, 0, 0x5000); }},
      {"cpu-policy.leaf", "subleaf", [] { return changed_leaf(3, 1, 63); }},
      {"cpu-policy.leaf", "no_subleaf", [] { return changed_leaf(0, 1, 0); }},
      {"cpu-policy.leaf", "announced", [] { return changed_leaf(0, 2, 0xe); }},
      {"cpu-policy.msr", "index",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 0, 0x1b); }); }},
      {"cpu-policy.msr", "flags",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 4, 1, 4); }); }},
      {"cpu-policy.msr", "value",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 8, 1); }); }},
      {"record.repeated", "tsc",
       [] {
         return changed([](G& guest) { *guest.extra.emplace_back().mutable_tsc() = guest.tsc; });
       }},
      {"record.repeated", "shared_info",
       [] {
         return changed([](G& guest) {
           *guest.extra.emplace_back().mutable_shared_info() = guest.shared_info;
         });
       }},
      {"cpu-policy.size", "leaf",
       [] {
         return changed([](G& guest) { guest.cpu_policy.mutable_cpuid_leaves()->append("x"); });
       }},
      {"cpu-policy.size", "msr",
       [] { return changed([](G& guest) { guest.cpu_policy.mutable_msrs()->pop_back(); }); }},
  };
}

std::vector<Case> index_cases() {
  return {
      {"format.index", "part",
       [] {
         return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
           record.mutable_index_part()->set_first_pfn(65536);
         });
       }},
      {"index.kind", "last_run",
       [] {
         return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
           // pfns 598 and 599 become page tables that nobody uses
           auto& runs = *record.mutable_index_part()->mutable_runs();
           runs[runs.size() - 2] = v1::L1;
         });
       }},
      {"index.record", "beside", index_beside_record},
      {"index.totals", "bytes",
       [] {
         return edited(v1::Record::kIndexRootFieldNumber,
                       [](v1::Record& record) { record.mutable_index_root()->set_pages_bytes(7); });
       }},
      {"index.totals", "kind",
       [] {
         return edited(v1::Record::kIndexRootFieldNumber, [](v1::Record& record) {
           auto& kinds = *record.mutable_index_root()->mutable_kind_pages();
           kinds[1] = kinds[1] + 1;
         });
       }},
      {"index.others", "last",
       [] {
         // A Timeline that the root does not name.
         std::vector<Piece> pieces = take_apart(changed(
             [](G& guest) { guest.extra.emplace_back().mutable_timeline()->set_finished_us(1); }));
         edit(find(pieces, v1::Record::kIndexRootFieldNumber), [](v1::Record& record) {
           record.mutable_index_root()->mutable_other_offsets()->RemoveLast();
         });
         return put_together(pieces);
       }},
  };
}

std::vector<Case> page_cases() {
  return {
      {"pages.missing", "absent",
       [] { return changed([](G& guest) { guest.unmentioned = {G::kAbsent + 5}; }); }},
      {"pages.populated-count", "more",
       [] { return changed([](G& guest) { guest.head.set_populated_pages(75); }); }},
      {"pages.populated-count", "live",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.head.set_populated_pages(75);
         });
       }},
      {"pages.populated-list", "absent",
       [] { return changed([](G& guest) { guest.populated = {0, 18, 2, 53, 525, 2}; }); }},
      {"pages.populated-list", "too_few",
       [] { return changed([](G& guest) {
              guest.populated = {0, 18, 2, 52};
            }); }},
      {"pages.populated-list", "beyond",
       [] { return changed([](G& guest) {
              guest.populated = {0, 601};
            }); }},
      {"pages.populated-list", "half_a_run",
       [] { return changed([](G& guest) { guest.populated = {0}; }); }},
      {"pages.stale-frame-lists", "absent",
       [] {
         return changed([](G& guest) {
           guest.head.add_stale_frame_lists(G::kAbsent);
           guest.head.add_stale_frame_lists(1);
         });
       }},
      {"pages.stale-frame-lists", "beyond",
       [] {
         return changed([](G& guest) {
           guest.head.add_stale_frame_lists(600);
           guest.head.add_stale_frame_lists(1);
         });
       }},
  };
}

std::vector<Case> p2m_cases() {
  return {
      {"p2m.leaf-list", "short",
       [] {
         return changed([](G& guest) {
           guest.leaves.pop_back();
           guest.page(G::kLeaf1).kind = v1::DATA;
         });
       }},
      {"p2m.leaf-list", "long",
       [] { return changed([](G& guest) { guest.leaves.push_back(9); }); }},
      {"p2m.leaf-kind", "data",
       [] {
         return changed([](G& guest) {
           guest.page(G::kLeaf1).kind = v1::DATA;
           guest.leaves[1] = G::kLeaf1;
         });
       }},
      {"p2m.stray-leaf", "data",
       [] {
         return changed([](G& guest) {
           guest.page(G::kData).kind = v1::P2M_LEAF;
           guest.page(G::kData).words.fill(kNoFrame);
         });
       }},
      {"p2m.entry", "replaced",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.earlier[G::kLeaf0] = guest.page(G::kLeaf0);
           guest.earlier[G::kLeaf0].words[3] = 0x12345;
         });
       }},
      {"p2m.entry", "other_page",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kData) = G::kData + 1; }); }},
      {"p2m.entry", "beyond",
       [] { return changed([](G& guest) { guest.page(G::kLeaf1).words[511] = 1023; }); }},
      {"p2m.absent", "absent",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kAbsent) = G::kAbsent; }); }},
      {"p2m.foreign", "frame",
       [] { return changed([](G& guest) { guest.p2m_entry(101) = uint64_t{1} << 63 | 0x1234; }); }},
      {"p2m.unlisted", "invalid",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kData) = kNoFrame; }); }},
      {"p2m.unlisted", "identity",
       [] {
         return changed([](G& guest) { guest.p2m_entry(G::kZero) = uint64_t{1} << 62 | G::kZero; });
       }},
      {"p2m.root", "data",
       [] {
         return changed([](G& guest) {
           guest.head.set_p2m_root_pfn(G::kData);
           guest.set_shared_info(3112, G::kData << 12);
         });
       }},
      {"p2m.root", "tree",
       [] {
         return changed([](G& guest) {
           guest.use_tree();
           guest.head.set_p2m_root_pfn(G::kZero);
         });
       }},
      {"p2m.view", "other_leaf", [] { return changed_page(G::kP2mL1, 1, table_entry(G::kLeaf0)); }},
      {"p2m.view", "hole", [] { return changed_page(G::kP2mL2, 0, 0); }},
      {"p2m.view", "not_canonical",
       [] {
         return changed([](G& guest) {
           guest.head.set_p2m_vaddr(0x0000c90000000000);
           guest.set_shared_info(3120, 0x0000c90000000000);
         });
       }},
  };
}

std::vector<Case> vcpu_cases() {
  return {
      {"vcpu.missing", "one", [] { return changed([](G& guest) { guest.vcpu.pop_back(); }); }},
      {"vcpu.unexpected", "offline",
       [] { return changed([](G& guest) { guest.head.mutable_online_vcpus()->RemoveLast(); }); }},
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

std::vector<Case> guest_page_cases() {
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

std::vector<Case> table_cases() {
  return {
      {"pt.target-range", "l1", [] { return changed_page(G::kUserL1, 1, table_entry(600)); }},
      {"pt.target-range", "l4",
       [] { return changed_page(G::kUserL4, 1, table_entry(0x12345678)); }},
      {"pt.target-absent", "l1",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kAbsent, 0)); }},
      {"pt.target-absent", "removed",
       [] {
         return changed([](G& guest) {
           remove_page(guest, G::kData + 3);  // which the user's L1 maps
         });
       }},
      {"pt.target-type", "data", [] { return changed_page(G::kUserL2, 1, table_entry(G::kData)); }},
      {"pt.target-type", "one_too_low",
       [] { return changed_page(G::kUserL3, 1, table_entry(G::kUserL1)); }},
      {"pt.target-type", "one_too_high",
       [] { return changed_page(G::kUserL2, 1, table_entry(G::kUserL3)); }},
      {"pt.large-page", "l2",
       [] { return changed_page(G::kUserL2, 1, table_entry(G::kUserL1, kLarge)); }},
      {"pt.reserved-slot", "first", [] { return changed_page(G::kUserL4, 256, 0x1000); }},
      {"pt.reserved-slot", "last",
       [] { return changed_page(G::kKernelL4, 271, table_entry(0x12345)); }},
      {"pt.flags", "l3", [] { return changed_page(G::kUserL3, 1, table_entry(G::kUserL2, 0x10)); }},
      {"pt.flags", "global",
       [] { return changed_page(G::kUserL4, 1, table_entry(G::kUserL3, 0x100)); }},
      {"pt.cache-flags", "pat",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kData, 0x80)); }},
      {"pt.linear", "self",
       [] { return changed_page(G::kKernelL4, 300, table_entry(G::kKernelL4, 0)); }},
      {"pt.writable-table", "l1",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kKernelL3)); }},
      {"pt.writable-table", "itself",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kUserL1)); }},
      {"pt.replaced", "range", [] { return replaced_entry(G::kUserL1, 1, table_entry(0x12345)); }},
      {"pt.replaced", "large",
       [] { return replaced_entry(G::kUserL2, 1, table_entry(3, kLarge)); }},
      {"pt.replaced", "slot", [] { return replaced_entry(G::kUserL4, 260, 0x1000); }},
      {"pt.writable-gdt", "second",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kGdt1)); }},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto cases : {record_cases, index_cases, page_cases, p2m_cases, vcpu_cases, guest_page_cases,
                     table_cases})
    for (Case& c : cases()) all.push_back(std::move(c));
  return all;
}

class Rule : public testing::TestWithParam<Case> {};

TEST_P(Rule, broken_alone_gives_its_finding_alone) {
  const audit::Result result = audit_image(GetParam().image());
  EXPECT_THAT(broken_rules(result), ElementsAre(GetParam().rule));
  for (const audit::Finding& finding : result.findings.kept()) {
    EXPECT_GT(finding.sentence.size(), 20u);
    EXPECT_EQ(finding.sentence.find('\n'), std::string::npos);
  }
  const bool error = audit::find_rule(GetParam().rule)->severity == audit::Severity::error;
  EXPECT_EQ(result.clean(), !error);
}

INSTANTIATE_TEST_SUITE_P(all, Rule, testing::ValuesIn(all_cases()), [](const auto& of) {
  std::string name = of.param.rule + "_" + of.param.name;
  for (char& c : name)
    if (c == '.' || c == '-') c = '_';
  return name;
});

TEST(Rules, each_has_an_image_that_breaks_it) {
  std::set<std::string> broken;
  for (const Case& c : all_cases()) broken.insert(c.rule);
  // These come with another finding and have tests of their own below.
  broken.insert({"pt.linear-writable", "pt.linear-depth", "pt.refused", "format.unknown-record"});
  for (const audit::Rule* rule : audit::all_rules())
    EXPECT_EQ(broken.count(std::string(rule->id)), 1u) << rule->id;
}

TEST(Rules, have_ids_of_their_own_and_words) {
  std::set<std::string_view> ids;
  for (const audit::Rule* rule : audit::all_rules()) {
    EXPECT_TRUE(ids.insert(rule->id).second) << rule->id;
    EXPECT_EQ(audit::find_rule(rule->id), rule);
    EXPECT_GT(rule->title.size(), 20u) << rule->id;
    EXPECT_GT(rule->explanation.size(), 20u) << rule->id;
  }
  EXPECT_EQ(audit::find_rule("pt.nothing"), nullptr);
}

TEST(Rules, linear_tables_may_be_neither_writable_nor_nested) {
  EXPECT_THAT(broken_rules(audit_image(changed_page(G::kKernelL4, 300, table_entry(G::kUserL4)))),
              ElementsAre("pt.linear", "pt.linear-writable"));
  const Bytes nested = changed([](G& guest) {
    guest.page(G::kKernelL3).words[5] = table_entry(G::kUserL3, 0);
    guest.page(G::kUserL3).words[5] = table_entry(G::kP2mL3, 0);
  });
  EXPECT_THAT(broken_rules(audit_image(nested)), ElementsAre("pt.linear", "pt.linear-depth"));
}

TEST(Rules, linear_tables_must_come_in_an_order_that_xen_accepts) {
  const audit::Result result = audit_image(linear_too_early());
  EXPECT_THAT(broken_rules(result), ElementsAre("pt.linear", "pt.refused"));
  ASSERT_TRUE(result.prediction && result.prediction->refusal);
  // Seen as an L3 table the kernel's L4 passes too, and then it cannot be an L4 any more.
  EXPECT_EQ(result.prediction->refusal->step, audit::Refusal::Step::pin);
  EXPECT_EQ(result.prediction->refusal->pfn, G::kKernelL4);
  // The other way round, the kernel's table is in use already when the user's comes.
  const audit::Result good = audit_image(changed_page(G::kUserL4, 255, table_entry(0, 0)));
  EXPECT_THAT(broken_rules(good), ElementsAre("pt.linear"));
  EXPECT_FALSE(good.prediction->refusal);
}

TEST(Rules, an_ldt_that_is_right_breaks_none) {
  EXPECT_THAT(broken_rules(audit_image(with_ldt(table_entry(G::kData, 0), 0x00cff3000000ffff))),
              IsEmpty());
}

TEST(Rules, unknown_records_are_noted_and_skipped) {
  std::vector<Piece> pieces = take_apart(changed(
      [](G& guest) { guest.extra.emplace_back().mutable_timeline()->set_finished_us(200); }));
  Piece& piece = find(pieces, v1::Record::kTimelineFieldNumber);
  // Tag and length stand before the body: field 12, one byte, becomes field 20, two bytes; the
  // body gives up one byte for it.
  ASSERT_EQ(piece.body_bytes, 3u);
  const Bytes kind_20{std::byte{0xa2}, std::byte{0x01}, std::byte{0x02}, std::byte{0x18},
                      std::byte{0x01}};
  std::copy(kind_20.begin(), kind_20.end(),
            piece.bytes.begin() + static_cast<ptrdiff_t>(piece.body_at) - 2);
  reseal(piece);
  const audit::Result result = audit_image(put_together(pieces));
  EXPECT_THAT(broken_rules(result), ElementsAre("format.unknown-record"));
  EXPECT_TRUE(result.clean());
}

TEST(Audit, finds_nothing_in_a_whole_image) {
  for (unsigned vcpus : {1u, 2u, 5u}) {
    const audit::Result result = audit_image(build(TestGuest(vcpus)));
    EXPECT_THAT(broken_rules(result), IsEmpty()) << vcpus;
    EXPECT_TRUE(result.clean());
    EXPECT_EQ(result.judged, audit::Level::full);
  }
  TestGuest tree;
  tree.use_tree();
  EXPECT_THAT(broken_rules(audit_image(build(tree))), IsEmpty());
  TestGuest raw;
  raw.level = 0;
  raw.pages_per_record = 1;
  EXPECT_THAT(broken_rules(audit_image(build(raw))), IsEmpty());
}

TEST(Audit, judges_the_last_version_of_each_page) {
  TestGuest guest;
  guest.head.set_live(true);
  guest.head.set_start_info_pfn(0);
  guest.earlier = guest.pages;
  guest.earlier[G::kUserL1].words[1] = table_entry(G::kAbsent);  // resolved in the second round
  guest.earlier[G::kUserL2].kind = v1::DATA;
  guest.earlier[G::kAbsent].kind = v1::DATA;  // ballooned out meanwhile
  guest.populated = {0, 18, 2, 53, 525, 2};
  guest.head.set_populated_pages(guest.pages.size() + 1);
  EXPECT_THAT(broken_rules(audit_image(build(guest))), IsEmpty());
}

TEST(Audit, a_leaf_page_can_stand_for_several_leaves) {
  TestGuest guest;
  guest.head.set_nr_pfns(600 + 3 * 512);
  guest.set_shared_info(3088, 600 + 3 * 512);
  guest.pages[18] = {.kind = v1::P2M_LEAF};
  guest.page(18).words.fill(kNoFrame);
  guest.p2m_entry(18) = 18;
  guest.head.set_populated_pages(guest.pages.size());
  guest.leaves.insert(guest.leaves.end(), {18, 18, 18});
  for (unsigned i = 2; i < 5; ++i) guest.page(G::kP2mL1).words[i] = table_entry(18, 0);
  EXPECT_THAT(broken_rules(audit_image(build(guest))), IsEmpty());
  guest.page(18).words[3] = 1024 + 3;  // right for the first of the three
  EXPECT_THAT(broken_rules(audit_image(build(guest))), ElementsAre("p2m.entry", "p2m.absent"));
}

TEST(Audit, counts_all_findings_and_keeps_some) {
  TestGuest guest;
  for (uint64_t& word : guest.page(G::kUserL1).words) word = table_entry(G::kKernelL1);
  const audit::Result result = audit_image(build(guest), {.keep = 3});
  EXPECT_EQ(result.findings.count(audit::rule::writable_table), 512u);
  EXPECT_EQ(result.findings.kept().size(), 3u);
}

TEST(Audit, stops_at_the_level_that_was_asked_for) {
  const Bytes bad_table = changed_page(G::kUserL2, 1, table_entry(G::kData));
  EXPECT_TRUE(audit_image(bad_table, {.level = audit::Level::structure}).clean());
  const Bytes bad_structure = changed_vcpu(1, kCr3, 0x1000);
  EXPECT_FALSE(audit_image(bad_structure, {.level = audit::Level::structure}).clean());
  EXPECT_TRUE(audit_image(bad_structure, {.level = audit::Level::digests}).clean());
  EXPECT_FALSE(audit_image(undecodable_pages(), {.level = audit::Level::digests}).clean());
  EXPECT_TRUE(audit_image(undecodable_pages(), {.level = audit::Level::format}).clean());
}

TEST(Audit, says_nothing_of_the_guest_if_the_bytes_are_not_sound) {
  TestGuest guest;
  guest.page(G::kUserL2).words[1] = table_entry(G::kData);
  std::vector<Piece> pieces = take_apart(build(guest));
  Piece& piece = find(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at + 1] ^= std::byte{1};
  const audit::Result result = audit_image(put_together(pieces));
  EXPECT_THAT(broken_rules(result), ElementsAre("digest.mismatch"));
  EXPECT_EQ(result.judged, audit::Level::digests);
}

TEST(Audit, names_the_place) {
  const audit::Result result = audit_image(changed_page(G::kUserL2, 9, table_entry(G::kAbsent)));
  ASSERT_EQ(result.findings.kept().size(), 1u);
  const audit::Place& place = result.findings.kept()[0].place;
  EXPECT_EQ(place.pfn, G::kUserL2);
  EXPECT_EQ(place.level, 2u);
  EXPECT_EQ(place.index, 9u);
  EXPECT_TRUE(place.record && place.offset);
  EXPECT_EQ(audit::finding_in_words(result.findings.kept()[0]),
            fmt::format("L2 entry 9 of pfn 0x6 names pfn 0x48, which is absent. [record {} at byte "
                        "{}]",
                        *place.record, *place.offset));
}

TEST(Audit, names_the_record_once) {
  const audit::Result result = audit_image(damaged_digest());
  const std::string words = audit::finding_in_words(result.findings.kept().at(0));
  EXPECT_NE(words.find("record "), std::string::npos);
  EXPECT_EQ(words.find("record "), words.rfind("record "));
}

TEST(Audit, gives_the_same_findings_on_any_number_of_threads) {
  TestGuest guest;
  guest.pages_per_record = 1;
  for (unsigned i = 0; i < 30; ++i) {
    guest.page(G::kUserL1).words[i] = table_entry(G::kKernelL1);
    guest.page(G::kUserL2).words[i + 100] = table_entry(G::kData);
  }
  const Bytes image = build(guest);
  const audit::Result alone = audit_image(image);
  for (unsigned threads : {1u, 2u, 6u}) {
    MemoryFile file(image);
    const audit::Result result =
        audit::run(ImageFile::open(file.path()), {}, *make_thread_executor(threads));
    ASSERT_EQ(result.findings.kept().size(), alone.findings.kept().size());
    for (size_t i = 0; i < alone.findings.kept().size(); ++i)
      EXPECT_EQ(result.findings.kept()[i].sentence, alone.findings.kept()[i].sentence);
  }
}

}  // namespace
}  // namespace ferry::test
