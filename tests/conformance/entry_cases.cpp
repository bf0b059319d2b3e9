// What may stand in an entry, and what Xen makes of it when it validates the table.
#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr uint64_t kTable = Scratch::kTable, kReadOnly = Scratch::kReadOnly;
constexpr uint64_t kNx = uint64_t{1} << 63;

struct Flag {
  const char* name;
  uint64_t bits;
};
constexpr Flag kFlags[] = {
    {"plain", 0},          {"pwt", 1 << 3},       {"pcd", 1 << 4},      {"bit7", 1 << 7},
    {"global", 1 << 8},    {"avail9", 1 << 9},    {"avail11", 1 << 11}, {"bit52", 1ull << 52},
    {"bit58", 1ull << 58}, {"bit61", 1ull << 61}, {"nx", kNx},
};

// Each flag at each level, and what the entry reads as afterwards.
void flags(Xen& xen) {
  for (unsigned level = 1; level <= 4; ++level)
    for (const Flag& flag : kFlags) {
      const std::string name = "entry.l" + std::to_string(level) + "." + flag.name;
      Scratch d(xen, 3);
      d.write(0, {{5, d.to(1, kTable | flag.bits)}});
      xen.report(name, d.pin(level, 0));
      xen.report(name + ".reads", d.read(0, 5) & ~(((uint64_t{1} << 40) - 1) << 12));
    }
}

// Without the user bit, and read-only.
void adjusted(Xen& xen) {
  for (unsigned level = 1; level <= 4; ++level) {
    const std::string name = "entry.l" + std::to_string(level);
    Scratch d(xen, 3);
    d.write(0, {{5, d.to(1, 1)}, {6, d.to(1, 1 | 1 << 8)}, {7, d.to(1, 5)}});
    const Outcome o = d.pin(level, 0);
    xen.report(name + ".kernel", o);
    for (unsigned slot = 5; slot < 8; ++slot)
      xen.report(name + ".kernel.reads" + std::to_string(slot),
                 d.read(0, slot) & ~(((uint64_t{1} << 40) - 1) << 12));
  }
}

void l1_targets(Xen& xen) {
  Scratch other(xen, 2);
  const uint64_t gone = [&] {
    Scratch dying(xen, 2);
    return dying.mfn(0);
  }();
  struct Case {
    const char* name;
    uint64_t mfn;
  };
  Scratch model(xen, 2);
  const Case cases[] = {
      {"another_domain", other.mfn(0)},
      {"free_frame", gone},
      {"no_such_frame", 0xffffffffe},
      {"all_ones", 0xffffffffff},
      {"shared_info_of_another", other.info().shared_info_frame},
  };
  for (const Case& c : cases)
    for (const uint64_t flags : {kReadOnly, kTable}) {
      Scratch d(xen, 2);
      d.write(0, {{511, c.mfn << 12 | flags}});
      xen.report(std::string("entry.l1_to.") + c.name + (flags == kTable ? ".rw" : ".ro"),
                 d.pin(1, 0));
    }
  for (const uint64_t flags : {kReadOnly, kTable}) {
    Scratch d(xen, 2);
    d.write(0, {{511, d.info().shared_info_frame << 12 | flags}});
    xen.report(std::string("entry.l1_to.own_shared_info") + (flags == kTable ? ".rw" : ".ro"),
               d.pin(1, 0));
  }
}

// An entry without its present bit holds whatever the guest likes.
void not_present(Xen& xen) {
  for (unsigned level = 1; level <= 4; ++level) {
    Scratch d(xen, 2);
    d.write(0, {{0, 0x0000fffffffff000}, {1, 0x8}, {2, kNx | 0x400}});
    const std::string name = "entry.l" + std::to_string(level) + ".not_present";
    xen.report(name, d.pin(level, 0));
    xen.report(name + ".reads", d.read(0, 0));
  }
}

void xen_slots(Xen& xen) {
  Scratch d(xen, 4);
  std::vector<Scratch::At> garbage;
  for (unsigned slot = 256; slot < 272; ++slot) garbage.push_back({slot, 0xdead0000ull + slot * 2});
  d.write(0, garbage);
  xen.report("entry.l4_xen_slots.garbage", d.pin(4, 0));
  unsigned kept = 0;
  for (unsigned slot = 256; slot < 272; ++slot) kept += d.read(0, slot) == 0xdead0000ull + slot * 2;
  xen.report("entry.l4_xen_slots.kept", kept);
  d.write(1, {{255, d.to(2, kTable)}, {272, d.to(2, kTable)}});
  xen.report("entry.l4_guest_slots_beside", d.pin(4, 1));
  d.write(3, {{256, d.to(3, kTable)}});
  xen.report("entry.l4_xen_slot_to_itself", d.pin(4, 3));
}

}  // namespace

void entry_cases(Xen& xen) {
  flags(xen);
  adjusted(xen);
  l1_targets(xen);
  not_present(xen);
  xen_slots(xen);
}

}  // namespace conformance
