// mmuext_op beside pinning: who may do what to whom, page copies, batches.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

mmuext_op_t op(unsigned cmd, uint64_t mfn = 0, uint64_t arg2 = 0) {
  mmuext_op_t o{};
  o.cmd = cmd;
  o.arg1.mfn = mfn;
  o.arg2.src_mfn = arg2;
  return o;
}

void foreign(Xen& xen) {
  Scratch d(xen);
  struct Case {
    const char* name;
    unsigned cmd;
  };
  const Case cases[] = {
      {"new_baseptr", MMUEXT_NEW_BASEPTR},
      {"new_user_baseptr", MMUEXT_NEW_USER_BASEPTR},
      {"tlb_flush_local", MMUEXT_TLB_FLUSH_LOCAL},
      {"invlpg_local", MMUEXT_INVLPG_LOCAL},
      {"tlb_flush_multi", MMUEXT_TLB_FLUSH_MULTI},
      {"invlpg_multi", MMUEXT_INVLPG_MULTI},
      {"tlb_flush_all", MMUEXT_TLB_FLUSH_ALL},
      {"invlpg_all", MMUEXT_INVLPG_ALL},
      {"flush_cache", MMUEXT_FLUSH_CACHE},
      {"flush_cache_global", MMUEXT_FLUSH_CACHE_GLOBAL},
      {"set_ldt", MMUEXT_SET_LDT},
      {"mark_super", MMUEXT_MARK_SUPER},
      {"unmark_super", MMUEXT_UNMARK_SUPER},
      {"unknown_14", 14},
      {"unknown_99", 99},
  };
  for (const Case& c : cases)
    xen.report(std::string("mmuext.foreign.") + c.name, xen.mmuext(d.id(), {op(c.cmd, d.mfn(0))}));
  xen.report("mmuext.no_such_domain", xen.mmuext(30000, {op(MMUEXT_PIN_L1_TABLE, d.mfn(0))}));
  xen.report("mmuext.named_dom0", xen.mmuext(0, {op(MMUEXT_PIN_L1_TABLE, d.mfn(0))}));
  xen.report("mmuext.nothing", xen.mmuext(d.id(), {}));
}

void copies(Xen& xen) {
  Scratch d(xen), other(xen);
  d.write(0, {{0, 0x1111}, {511, 0x2222}});
  xen.report("mmuext.copy", xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, d.mfn(1), d.mfn(0))}));
  xen.report("mmuext.copy.reads", d.read(1, 511));
  xen.report("mmuext.clear", xen.mmuext(d.id(), {op(MMUEXT_CLEAR_PAGE, d.mfn(0))}));
  xen.report("mmuext.clear.reads", d.read(0, 511));
  xen.report("mmuext.copy.source_of_another",
             xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, d.mfn(1), other.mfn(0))}));
  xen.report("mmuext.copy.target_of_another",
             xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, other.mfn(0), d.mfn(1))}));
  xen.report("mmuext.copy.no_such_source",
             xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, d.mfn(1), 0xffffffffe)}));
  xen.report("mmuext.clear.no_such_page", xen.mmuext(d.id(), {op(MMUEXT_CLEAR_PAGE, 0xffffffffe)}));
  xen.report("mmuext.table.pin", d.pin(1, 2));
  xen.report("mmuext.clear.table", xen.mmuext(d.id(), {op(MMUEXT_CLEAR_PAGE, d.mfn(2))}));
  xen.report("mmuext.copy.to_table",
             xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, d.mfn(2), d.mfn(1))}));
  xen.report("mmuext.copy.from_table",
             xen.mmuext(d.id(), {op(MMUEXT_COPY_PAGE, d.mfn(3), d.mfn(2))}));
  {
    Mapped writable(xen, d.id(), {d.mfn(4)}, PROT_READ | PROT_WRITE);
    xen.report("mmuext.clear.mapped_writable",
               xen.mmuext(d.id(), {op(MMUEXT_CLEAR_PAGE, d.mfn(4))}));
  }
  xen.report("mmuext.clear.shared_info",
             xen.mmuext(d.id(), {op(MMUEXT_CLEAR_PAGE, d.info().shared_info_frame)}));
}

void batches(Xen& xen) {
  Scratch d(xen);
  unsigned done = 99;
  xen.report("mmuext.batch",
             xen.mmuext(d.id(),
                        {op(MMUEXT_PIN_L1_TABLE, d.mfn(0)), op(MMUEXT_PIN_L1_TABLE, d.mfn(0)),
                         op(MMUEXT_PIN_L1_TABLE, d.mfn(1))},
                        &done));
  xen.report("mmuext.batch.done", done);
  xen.report("mmuext.batch.first", d.type(0));
  xen.report("mmuext.batch.third", d.type(1));
  xen.report("mmuext.batch.good",
             xen.mmuext(d.id(),
                        {op(MMUEXT_PIN_L2_TABLE, d.mfn(2)), op(MMUEXT_UNPIN_TABLE, d.mfn(2)),
                         op(MMUEXT_PIN_L3_TABLE, d.mfn(2))},
                        &done));
  xen.report("mmuext.batch.good.done", done);
  xen.report("mmuext.batch.good.type", d.type(2));
}

}  // namespace

void mmuext_cases(Xen& xen) {
  foreign(xen);
  copies(xen);
  batches(xen);
}

}  // namespace conformance
