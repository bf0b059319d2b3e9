// Ways to change an image of a whole guest.
#include "tests/audit/variants.h"

#include <fmt/format.h>

namespace ferry::test {
namespace {

constexpr uint64_t kPwt = 0x8, kPcd = 0x10, kAccessed = 0x20, kDirty = 0x40, kPat = 0x80,
                   kGlobal = 0x100;
constexpr uint64_t kFrame = 0x000f'ffff'ffff'f000, kNoExecute = uint64_t{1} << 63;
constexpr uint64_t kNotCanonical = 0x0000'8000'0000'0000;

// Of struct vcpu_guest_context.
constexpr size_t kFlags = 512, kRdx = 616, kRip = 648, kRsp = 672, kTraps = 720, kLdtBase = 4816,
                 kLdtEntries = 4824, kGdtFrames = 4832, kGdtEntries = 4960, kKernelSp = 4976,
                 kCr1 = 4992, kCr3 = 5008, kEventCallback = 5112, kFailsafeCallback = 5120,
                 kSyscallCallback = 5128, kVmAssist = 5136, kFsBase = 5144, kGsKernel = 5152,
                 kGsUser = 5160;

uint64_t with_target(uint64_t entry, uint64_t pfn) {
  return (entry & ~kFrame) | pfn << 12;
}

class Changes {
 public:
  explicit Changes(const RealImage& image) : image_(image), at_(survey(image)) {}

  std::vector<Change> all() {
    add("nothing", [](Variant&) {});
    harmless();
    flags();
    writable_tables();
    wrong_targets();
    wrong_kinds();
    beyond_the_guest();
    roots();
    addresses();
    descriptors();
    extra_state();
    policy();
    return std::move(changes_);
  }

 private:
  void add(std::string name, std::function<void(Variant&)> apply) {
    changes_.push_back({std::move(name), std::move(apply)});
  }
  // The entry of that way at that level becomes what change makes of it.
  void add_entry(std::string name, const Way& way, unsigned level,
                 std::function<uint64_t(uint64_t)> change) {
    const uint64_t table = way.table[level];
    const unsigned slot = way.slot[level];
    add(std::move(name), [=](Variant& v) { v.entry(table, slot) = change(v.entry(table, slot)); });
  }
  // An empty slot of the table gets this entry.
  void add_new(std::string name, uint64_t table, uint64_t entry) {
    const unsigned slot = Terrain::free_slot(image_, table, 100);
    add(std::move(name), [=](Variant& v) { v.entry(table, slot) = entry; });
  }
  void add_vcpu(std::string name, size_t at, uint64_t value, size_t n = 0) {
    add(std::move(name), [=](Variant& v) { v.vcpu(n).set(at, value); });
  }
  void add_kind(std::string name, uint64_t pfn, v1::PageKind kind) {
    add(std::move(name), [=](Variant& v) { v.page(pfn).kind = kind; });
  }

  void harmless();
  void flags();
  void writable_tables();
  void wrong_targets();
  void wrong_kinds();
  void beyond_the_guest();
  void roots();
  void addresses();
  void descriptors();
  void extra_state();
  void policy();

  const RealImage& image_;
  const Terrain at_;
  const size_t last_vcpu_ = image_.vcpus().size() - 1;
  std::vector<Change> changes_;
};

void Changes::harmless() {
  const Way& way = at_.unloaded;
  const uint64_t data = at_.data;
  add("other data", [=](Variant& v) { v.entry(data, 3) ^= 0x1234567; });
  add("a page of data becomes zeros", [=](Variant& v) { v.page(data).words.fill(0); });
  add_new("L1: a swap entry", way.table[1], 0x1234'5678'9000);
  add_entry("L1: read-only", way, 1, [](uint64_t e) { return e & ~kWritable; });
  add_entry("L1: no-execute the other way", way, 1, [](uint64_t e) { return e ^ kNoExecute; });
  add_entry("L1: global", way, 1, [](uint64_t e) { return e | kGlobal; });
  add_entry("L1: not the user's", way, 1, [](uint64_t e) { return e & ~kUser; });
  add_entry("L1: nothing any more", way, 1, [](uint64_t) { return 0; });
  add_entry("L1: another page", way, 1,
            [other = at_.other_data](uint64_t e) { return with_target(e, other); });
  add_new("L1: itself, read-only", way.table[1], table_entry(way.table[1], 0));
  add_new("L1: the loaded L4, read-only", way.table[1], table_entry(at_.loaded.table[4], 0));
  add_entry("L2: not accessed, not dirty", way, 2,
            [](uint64_t e) { return e & ~(kAccessed | kDirty); });
  add_entry("L2: bits for the kernel", way, 2, [](uint64_t e) { return e | uint64_t{7} << 9; });
  add_entry("L3: high bits for the kernel", way, 3,
            [](uint64_t e) { return e | uint64_t{0x3f} << 53; });
  add_entry("L3: read-only", way, 3, [](uint64_t e) { return e & ~kWritable; });
  add_entry("L4: no-execute", way, 4, [](uint64_t e) { return e | kNoExecute; });
  add_entry("L4: nothing any more", way, 4, [](uint64_t) { return 0; });
  add_kind("an unloaded L4 is not pinned", way.table[4], v1::L4);
  add_kind("an L2 is pinned", way.table[2], v1::L2_PINNED);
  add_vcpu("another instruction pointer", kRip, 0xffff'ffff'8123'4567, last_vcpu_);
  add_vcpu("no LDT, but a base", kLdtBase, 0x7000);
}

void Changes::flags() {
  struct Flag {
    const char* name;
    uint64_t bit;
  };
  for (unsigned level = 1; level <= 4; ++level)
    for (const Flag& flag : {Flag{"PWT", kPwt}, Flag{"PCD", kPcd},
                             level == 1 ? Flag{"PAT", kPat} : Flag{"G", kGlobal}})
      add_entry(fmt::format("L{}: {}", level, flag.name), at_.unloaded, level,
                [bit = flag.bit](uint64_t e) { return e | bit; });
  add_entry("L1: PCD, loaded", at_.loaded, 1, [](uint64_t e) { return e | kPcd; });
  add_entry("L2: G, loaded", at_.loaded, 2, [](uint64_t e) { return e | kGlobal; });
  add_entry("L3: PWT, loaded", at_.loaded, 3, [](uint64_t e) { return e | kPwt; });
  add_entry("L4: PCD, loaded", at_.loaded, 4, [](uint64_t e) { return e | kPcd; });
}

void Changes::writable_tables() {
  const Way& way = at_.unloaded;
  for (unsigned level = 1; level <= 4; ++level) {
    add_new(fmt::format("L1: the L{} above writable", level), way.table[1],
            table_entry(way.table[level]));
    add_new(fmt::format("L1: a loaded L{} writable", level), way.table[1],
            table_entry(at_.loaded.table[level]));
  }
  add_new("L1: the GDT writable", way.table[1], table_entry(at_.gdt));
  const unsigned slot = at_.loaded.slot[1];
  const uint64_t loaded_l1 = at_.loaded.table[1], unloaded_l3 = way.table[3];
  add("L1: an unloaded L3 writable, loaded",
      [=](Variant& v) { v.entry(loaded_l1, slot) = table_entry(unloaded_l3); });
}

void Changes::wrong_targets() {
  const Way& way = at_.unloaded;
  for (unsigned level = 2; level <= 4; ++level) {
    const uint64_t table = way.table[level];
    add_new(fmt::format("L{}: a page of data", level), table, table_entry(at_.data));
    add_new(fmt::format("L{}: a page of zeros", level), table, table_entry(at_.zero));
    for (unsigned other = 1; other <= 4; ++other)
      if (other != level - 1 && other != level)
        add_new(fmt::format("L{}: an L{}", level, other), table, table_entry(way.table[other]));
    add_new(fmt::format("L{}: itself, read-only", level), table, table_entry(table, 0));
    add_new(fmt::format("L{}: itself, writable", level), table, table_entry(table));
    add_new(fmt::format("L{}: a loaded L{}, read-only", level, level), table,
            table_entry(at_.loaded.table[level], 0));
  }
}

void Changes::wrong_kinds() {
  const Way& way = at_.unloaded;
  add_kind("an L1 is called an L2", way.table[1], v1::L2);
  add_kind("an L2 is called an L1", way.table[2], v1::L1);
  add_kind("an L2 is called an L3, pinned", way.table[2], v1::L3_PINNED);
  add_kind("an L3 is called an L2", way.table[3], v1::L2);
  add_kind("an L3 is called an L4, pinned", way.table[3], v1::L4_PINNED);
  add_kind("an L4 is called an L3, pinned", way.table[4], v1::L3_PINNED);
  add_kind("a page of zeros is called an L1, pinned", at_.zero, v1::L1_PINNED);
  add_kind("an L2 is called data", way.table[2], v1::DATA);
}

void Changes::beyond_the_guest() {
  const Way& way = at_.unloaded;
  const uint64_t beyond = image_.nr_pfns() + 0x1000;
  for (unsigned level = 1; level <= 4; ++level)
    add_entry(fmt::format("L{}: a frame beyond the guest", level), way, level,
              [=](uint64_t e) { return with_target(e, beyond); });
  for (unsigned level = 2; level <= 4; ++level)
    add_entry(fmt::format("L{}: a large page", level), way, level,
              [](uint64_t e) { return e | kLarge; });
  add("L4: an entry in Xen's slots",
      [l4 = way.table[4]](Variant& v) { v.entry(l4, 260) = table_entry(7); });
  add_kind("L1: a page without a frame", way.table[0], v1::ABSENT);
}

void Changes::roots() {
  add_vcpu("cr3 is an L3", kCr3, at_.loaded.table[3] << 12);
  add_vcpu("cr3 is a page of data", kCr3, at_.data << 12, last_vcpu_);
  add_vcpu("the user's cr3 is an L2", kCr1, at_.unloaded.table[2] << 12 | 1);
  add_vcpu("the user's cr3 is another L4", kCr1, at_.unloaded.table[4] << 12 | 1);
  add("in user mode without page tables for it", [](Variant& v) {
    v.vcpu(0).set(kFlags, v.vcpu(0).get(kFlags) & ~uint64_t{4});
    v.vcpu(0).set(kCr1, 0);
  });
  add_vcpu("start_info is a page table", kRdx, at_.unloaded.table[3]);
}

void Changes::addresses() {
  struct Spot {
    const char* name;
    size_t at;
  };
  for (const Spot& spot :
       {Spot{"rip", kRip}, Spot{"rsp", kRsp}, Spot{"kernel_sp", kKernelSp},
        Spot{"event callback", kEventCallback}, Spot{"failsafe callback", kFailsafeCallback},
        Spot{"syscall callback", kSyscallCallback}, Spot{"fs base", kFsBase},
        Spot{"kernel's gs base", kGsKernel}, Spot{"user's gs base", kGsUser},
        Spot{"handler of trap 14", kTraps + 14 * 16 + 8}})
    add_vcpu(fmt::format("not canonical: {}", spot.name), spot.at, kNotCanonical);
  add_vcpu("vm_assist has an unknown bit", kVmAssist, 1 << 7);
  add("LDT: too many entries", [last = last_vcpu_](Variant& v) {
    v.vcpu(last).set(kLdtBase, 0x7000);
    v.vcpu(last).set(kLdtEntries, 8193);
  });
  add("LDT: not at the beginning of a page", [last = last_vcpu_](Variant& v) {
    v.vcpu(last).set(kLdtBase, 0x7010);
    v.vcpu(last).set(kLdtEntries, 4);
  });
  add("LDT: in Xen's addresses", [last = last_vcpu_](Variant& v) {
    v.vcpu(last).set(kLdtBase, 0xffff'8000'0000'1000);
    v.vcpu(last).set(kLdtEntries, 4);
  });
}

void Changes::descriptors() {
  const uint64_t gdt = at_.gdt;
  add_vcpu("GDT: too many entries", kGdtEntries, 7169);
  add_vcpu("GDT: a page table", kGdtFrames, at_.unloaded.table[2]);
  add("GDT: a task state segment", [=](Variant& v) { v.entry(gdt, 9) = 0x0000'8900'0000'0067; });
  add("GDT: a gate into Xen's segment",
      [=](Variant& v) { v.entry(gdt, 9) = 0x0000'ec00'e008'0000; });
  add("GDT: a gate into the kernel's",
      [=](Variant& v) { v.entry(gdt, 9) = 0x0000'ec00'0010'0000; });
  add("GDT: a system segment beyond its end",
      [=](Variant& v) { v.entry(gdt, 500) = 0x0000'8200'0000'0067; });
  add("GDT: a code segment of ring 0",
      [=](Variant& v) { v.entry(gdt, 9) = 0x00af'9b00'0000'ffff; });
}

void Changes::extra_state() {
  const auto put = [](std::string& bytes, size_t at, uint64_t value, size_t size = 8) {
    bytes.replace(at, size, reinterpret_cast<const char*>(&value), size);
  };
  add("extended: another size",
      [=](Variant& v) { put(*v.vcpu(0).record.mutable_extended(), 4, 24, 4); });
  add("extended: sysenter not canonical",
      [=](Variant& v) { put(*v.vcpu(0).record.mutable_extended(), 16, kNotCanonical); });
  add("extended: unknown machine checks",
      [=](Variant& v) { put(*v.vcpu(0).record.mutable_extended(), 32, uint64_t{1} << 40); });
  add("MSRs: one that Xen does not take", [=](Variant& v) {
    std::string& msrs = *v.vcpu(0).record.mutable_msrs();
    msrs.assign(16, '\0');
    put(msrs, 0, 0xc000'0080);
  });
  add("MSRs: reserved bits", [=](Variant& v) {
    std::string& msrs = *v.vcpu(0).record.mutable_msrs();
    msrs.assign(16, '\0');
    put(msrs, 0, 0xc000'0103);
    put(msrs, 4, 1, 4);
  });
  if (image_.vcpus()[0].record.xsave().size() < 592) return;  // a machine without it
  add("XSAVE: one byte short", [](Variant& v) { v.vcpu(0).record.mutable_xsave()->pop_back(); });
  add("XSAVE: without x87", [=](Variant& v) { put(*v.vcpu(0).record.mutable_xsave(), 0, 6); });
  add("XSAVE: features that no CPU has",
      [=](Variant& v) { put(*v.vcpu(0).record.mutable_xsave(), 8, uint64_t{1} << 40 | 7); });
  add("XSAVE: a compacted header",
      [=](Variant& v) { put(*v.vcpu(0).record.mutable_xsave(), 16 + 520, uint64_t{1} << 63); });
}

void Changes::policy() {
  add("CPU policy: an unknown leaf", [](Variant& v) {
    std::string& leaves = *v.cpu_policy().mutable_cpuid_leaves();
    const uint32_t unknown = 0x5000;
    leaves.replace(0, sizeof unknown, reinterpret_cast<const char*>(&unknown), sizeof unknown);
  });
  add("CPU policy: an unknown MSR", [](Variant& v) {
    std::string& msrs = *v.cpu_policy().mutable_msrs();
    msrs.append(16, '\0');
    msrs[msrs.size() - 16] = 0x1b;
  });
  add("TSC: in a mode that does not exist", [](Variant& v) { v.tsc().set_mode(9); });
}

}  // namespace

std::vector<Change> all_changes(const RealImage& image) {
  return Changes(image).all();
}

}  // namespace ferry::test
