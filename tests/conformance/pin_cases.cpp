// Pinning and unpinning: page types, chains of tables, conflicts with writable mappings, linear
// tables.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr uint64_t kTable = Scratch::kTable, kReadOnly = Scratch::kReadOnly;
constexpr uint64_t kNoFrame = 0xffffffffe;  // far beyond any machine's memory

void empty_tables(Xen& xen) {
  for (unsigned level = 1; level <= 4; ++level) {
    const std::string name = "pin.empty_l" + std::to_string(level);
    Scratch d(xen);
    xen.report(name, d.pin(level, 0));
    xen.report(name + ".type", d.type(0));
    xen.report(name + ".again", d.pin(level, 0));
    xen.report(name + ".other_level", d.pin(level % 4 + 1, 0));
    xen.report(name + ".unpin", d.unpin(0));
    xen.report(name + ".type_after", d.type(0));
    xen.report(name + ".unpin_again", d.unpin(0));
    xen.report(name + ".as_other_level", d.pin(level % 4 + 1, 0));
  }
}

void bad_frames(Xen& xen) {
  Scratch d(xen), other(xen);
  xen.report("pin.no_such_frame", d.pin_mfn(1, kNoFrame));
  xen.report("pin.all_ones_frame", d.pin_mfn(1, ~uint64_t{0}));
  xen.report("pin.frame_of_another_domain", d.pin_mfn(1, other.mfn(0)));
  xen.report("pin.shared_info", d.pin_mfn(1, d.info().shared_info_frame));
  xen.report("pin.unpin_data", d.unpin(3));
}

void whole_chain(Xen& xen) {
  Scratch d(xen);
  d.chain();
  xen.report("pin.chain", d.pin(4, 0));
  for (unsigned page = 0; page < 4; ++page)
    xen.report("pin.chain.type_l" + std::to_string(4 - page), d.type(page));
  xen.report("pin.chain.l1_too", d.pin(1, 3));
  xen.report("pin.chain.l1_type", d.type(3));
  xen.report("pin.chain.unpin_l4", d.unpin(0));
  for (unsigned page = 0; page < 4; ++page)
    xen.report("pin.chain.after_l" + std::to_string(4 - page), d.type(page));
  xen.report("pin.chain.unpin_l1", d.unpin(3));
  xen.report("pin.chain.l1_after", d.type(3));
}

void shared_subtables(Xen& xen) {
  Scratch d(xen);
  d.write(0, {{0, d.to(2, kTable)}, {1, d.to(2, kTable)}, {511, d.to(3, kTable)}});
  d.write(1, {{7, d.to(2, kTable)}});
  xen.report("pin.two_l2_with_one_l1.first", d.pin(2, 0));
  xen.report("pin.two_l2_with_one_l1.second", d.pin(2, 1));
  xen.report("pin.two_l2_with_one_l1.unpin_first", d.unpin(0));
  xen.report("pin.two_l2_with_one_l1.l1_still_typed", d.type(2));
  xen.report("pin.two_l2_with_one_l1.other_l1_free", d.type(3));
  xen.report("pin.two_l2_with_one_l1.unpin_second", d.unpin(1));
  xen.report("pin.two_l2_with_one_l1.l1_free", d.type(2));
}

void wrong_targets(Xen& xen) {
  {
    Scratch d(xen), other(xen);
    d.write(0, {{3, d.to(1, kTable)}, {4, other.to(0, kTable)}});
    xen.report("pin.l2_entry_of_another_domain", d.pin(2, 0));
    xen.report("pin.l2_entry_of_another_domain.type", d.type(0));
    xen.report("pin.l2_entry_of_another_domain.first_l1", d.type(1));
    xen.report("pin.l2_entry_of_another_domain.reused_as_l1", d.pin(1, 2));
  }
  {
    Scratch d(xen);
    d.write(0, {{3, (kNoFrame << 12) | kTable}});
    xen.report("pin.l2_entry_no_such_frame", d.pin(2, 0));
  }
  {
    Scratch d(xen);
    d.write(1, {{0, d.to(1, kTable)}});  // an L1 that maps itself writable
    d.write(0, {{0, d.to(1, kTable)}});
    xen.report("pin.l2_of_a_bad_l1", d.pin(2, 0));
    xen.report("pin.l2_of_a_bad_l1.type", d.type(1));
    d.write(2, {{0, d.to(0, kTable)}});
    xen.report("pin.l3_of_a_bad_l1", d.pin(3, 2));
    d.write(3, {{9, d.to(2, kTable)}});
    xen.report("pin.l4_of_a_bad_l1", d.pin(4, 3));
  }
  {
    Scratch d(xen);
    xen.report("pin.l3_with_pinned_l1_as_l2.l1", d.pin(1, 1));
    d.write(0, {{0, d.to(1, kTable)}});
    xen.report("pin.l3_with_pinned_l1_as_l2", d.pin(3, 0));
  }
}

void writable_conflicts(Xen& xen) {
  {
    Scratch d(xen);
    Mapped writable(xen, d.id(), {d.mfn(0)}, PROT_READ | PROT_WRITE);
    xen.report("pin.while_mapped_writable", d.pin(1, 0));
    writable.drop();
    xen.report("pin.after_unmapping", d.pin(1, 0));
  }
  {
    Scratch d(xen);
    Mapped readable(xen, d.id(), {d.mfn(0)}, PROT_READ);
    xen.report("pin.while_mapped_readonly", d.pin(1, 0));
  }
  {
    Scratch d(xen);
    d.write(0, {{0, d.to(1, kTable)}});
    xen.report("pin.l1_with_writable_entry", d.pin(1, 0));
    xen.report("pin.target_of_writable_entry", d.pin(1, 1));
    xen.report("pin.unpin_the_l1", d.unpin(0));
    xen.report("pin.target_after_unpin", d.pin(1, 1));
    xen.report("pin.l1_now_conflicts", d.pin(1, 0));
  }
  {
    Scratch d(xen);
    d.write(0, {{0, d.to(1, kReadOnly)}, {1, d.to(0, kReadOnly)}});
    xen.report("pin.l1_with_readonly_entries", d.pin(1, 0));
    xen.report("pin.target_of_readonly_entry", d.pin(4, 1));
    d.write(2, {{0, d.to(1, kTable)}});
    xen.report("pin.l1_mapping_a_table_writable", d.pin(1, 2));
    d.write(3, {{0, d.to(2, kTable)}});
    xen.report("pin.l2_over_it", d.pin(2, 3));
  }
}

void linear_tables(Xen& xen) {
  for (unsigned level = 2; level <= 4; ++level) {
    const std::string name = "linear.l" + std::to_string(level);
    {
      Scratch d(xen);
      d.write(0, {{1, d.to(0, kReadOnly)}});
      xen.report(name + ".self_readonly", d.pin(level, 0));
      xen.report(name + ".self_readonly.unpin", d.unpin(0));
      d.write(0, {{1, d.to(0, kTable)}});
      xen.report(name + ".self_writable", d.pin(level, 0));
    }
    {
      Scratch d(xen);
      d.write(0, {{1, d.to(1, kReadOnly)}});
      xen.report(name + ".to_unvalidated", d.pin(level, 0));
      xen.report(name + ".target_now", d.type(1));
    }
    {
      Scratch d(xen);
      xen.report(name + ".target", d.pin(level, 1));
      d.write(0, {{1, d.to(1, kReadOnly)}});
      xen.report(name + ".to_pinned", d.pin(level, 0));
      d.write(2, {{1, d.to(0, kReadOnly)}});
      xen.report(name + ".to_one_with_linear_entries", d.pin(level, 2));
      d.write(3, {{1, d.to(1, kTable)}});
      xen.report(name + ".to_pinned_writable", d.pin(level, 3));
      xen.report(name + ".unpin_target", d.unpin(1));
      xen.report(name + ".target_type", d.type(1));
      xen.report(name + ".unpin", d.unpin(0));
      xen.report(name + ".target_type_after", d.type(1));
    }
  }
}

}  // namespace

void pin_cases(Xen& xen) {
  empty_tables(xen);
  bad_frames(xen);
  whole_chain(xen);
  shared_subtables(xen);
  wrong_targets(xen);
  writable_conflicts(xen);
  linear_tables(xen);
}

}  // namespace conformance
