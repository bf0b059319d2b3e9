// Memory: populate, increase, decrease, exchange, claims, limits, page types.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

void populate(Xen& xen) {
  Scratch d(xen, 4);  // its limit leaves room for 8 more
  std::vector<xen_pfn_t> pfns = {100, 101, 102, 103};
  xen.report("populate.four", xen.reservation(XENMEM_populate_physmap, d.id(), pfns));
  xen.report("populate.four.m2p", xen.m2p(pfns[2]));
  xen.report("populate.four.type", d.type_of_mfn(pfns[2]));
  pfns = {200};
  xen.report("populate.order_1", xen.reservation(XENMEM_populate_physmap, d.id(), pfns, 1));
  xen.report("populate.order_1.second", xen.m2p(pfns[0] + 1));
  xen.report("populate.order_1.aligned", pfns[0] % 2);
  pfns = {300, 301, 302, 303};
  xen.report("populate.over_limit", xen.reservation(XENMEM_populate_physmap, d.id(), pfns));
  xen.report("populate.over_limit.untouched", pfns[3]);
  pfns = {300};
  xen.report("populate.huge_order", xen.reservation(XENMEM_populate_physmap, d.id(), pfns, 30));
  xen.report("populate.no_such_domain", xen.reservation(XENMEM_populate_physmap, 30000, pfns));
  pfns.clear();
  xen.report("populate.nothing", xen.reservation(XENMEM_populate_physmap, d.id(), pfns));
  xen.report("populate.tot_pages", d.info().tot_pages);
  pfns = {0xdeadbeefcafe};
  Scratch e(xen, 0);
  xen.report("populate.any_pfn", xen.reservation(XENMEM_populate_physmap, e.id(), pfns));
  xen.report("populate.any_pfn.m2p", xen.m2p(pfns[0]));
}

void increase(Xen& xen) {
  Scratch d(xen, 0);
  std::vector<xen_pfn_t> frames = {7, 8};
  xen.report("increase.two", xen.reservation(XENMEM_increase_reservation, d.id(), frames));
  xen.report("increase.two.m2p", xen.m2p(frames[0]));
  xen.report("increase.two.type", d.type_of_mfn(frames[0]));
  std::vector<xen_pfn_t> many(20, 0);
  xen.report("increase.over_limit", xen.reservation(XENMEM_increase_reservation, d.id(), many));
}

void decrease(Xen& xen) {
  Scratch d(xen), other(xen);
  xen.report("decrease.one", d.decrease(0));
  xen.report("decrease.again", d.decrease(0));
  std::vector<xen_pfn_t> frames = {d.mfn(1), other.mfn(0), d.mfn(2)};
  xen.report("decrease.of_another", xen.reservation(XENMEM_decrease_reservation, d.id(), frames));
  xen.report("decrease.third_kept", d.type(2));
  frames = {0xffffffffe};
  xen.report("decrease.no_such_frame",
             xen.reservation(XENMEM_decrease_reservation, d.id(), frames));
  frames = {d.info().shared_info_frame};
  xen.report("decrease.shared_info", xen.reservation(XENMEM_decrease_reservation, d.id(), frames));

  const uint64_t before = d.info().tot_pages;
  xen.report("decrease.pinned.pin", d.pin(1, 3));
  xen.report("decrease.pinned", d.decrease(3));
  xen.report("decrease.pinned.type", d.type(3));
  xen.report("decrease.pinned.gone", before - d.info().tot_pages);
  xen.report("decrease.pinned.unpin", d.unpin(3));
  xen.report("decrease.pinned.type_after", d.type(3));
  xen.report("decrease.pinned.gone_after", before - d.info().tot_pages);
}

struct Exchange {
  Xen* xen;
  uint32_t in_domid, out_domid;
  std::vector<xen_pfn_t> in, out;
  unsigned in_order = 0, out_order = 0;
  uint64_t exchanged = 0;

  Outcome run() {
    Shared<xen_pfn_t> a(xen->calls(), in.size()), b(xen->calls(), out.size());
    for (size_t i = 0; i < in.size(); ++i) a[i] = in[i];
    for (size_t i = 0; i < out.size(); ++i) b[i] = out[i];
    xen_memory_exchange_t e{};
    e.in.extent_start.p = a.get();
    e.in.nr_extents = in.size();
    e.in.extent_order = in_order;
    e.in.domid = static_cast<domid_t>(in_domid);
    e.out = e.in;
    e.out.extent_start.p = b.get();
    e.out.nr_extents = out.size();
    e.out.extent_order = out_order;
    e.out.domid = static_cast<domid_t>(out_domid);
    e.nr_exchanged = exchanged;
    const Outcome o = xen->memory_op(XENMEM_exchange, &e, sizeof e);
    exchanged = e.nr_exchanged;
    for (size_t i = 0; i < out.size(); ++i) out[i] = b[i];
    return o;
  }
};

void exchange(Xen& xen) {
  Scratch d(xen), other(xen);
  const auto one = [&](const std::string& name, Exchange e) {
    xen.report("exchange." + name, e.run());
    xen.report("exchange." + name + ".done", e.exchanged);
    return e;
  };
  const uint64_t before = d.info().tot_pages;
  Exchange e = one("one", {&xen, d.id(), d.id(), {d.mfn(0)}, {500}});
  xen.report("exchange.one.m2p", xen.m2p(e.out[0]));
  xen.report("exchange.one.new_type", d.type_of_mfn(e.out[0]));
  xen.report("exchange.one.old_type", d.type(0));
  xen.report("exchange.one.pages_gone", before - d.info().tot_pages);
  e = one("into_order_1", {&xen, d.id(), d.id(), {d.mfn(1), d.mfn(2)}, {600}, 0, 1});
  xen.report("exchange.into_order_1.m2p", xen.m2p(e.out[0] + 1));
  one("out_of_order_1", {&xen, d.id(), d.id(), {e.out[0]}, {700, 701}, 1, 0});
  one("sizes_differ", {&xen, d.id(), d.id(), {d.mfn(3), d.mfn(4)}, {600}});
  one("domains_differ", {&xen, d.id(), other.id(), {d.mfn(3)}, {600}});
  one("no_such_domain", {&xen, 30000, 30000, {d.mfn(3)}, {600}});
  one("huge_order", {&xen, d.id(), d.id(), {d.mfn(3)}, {600}, 30, 30});
  one("nothing_left", {&xen, d.id(), d.id(), {d.mfn(3)}, {600}, 0, 0, 1});
  one("too_many_done", {&xen, d.id(), d.id(), {d.mfn(3)}, {600}, 0, 0, 2});
  one("of_another", {&xen, d.id(), d.id(), {other.mfn(0)}, {600}});
  one("no_such_frame", {&xen, d.id(), d.id(), {0xffffffffe}, {600}});
  one("second_bad", {&xen, d.id(), d.id(), {d.mfn(3), other.mfn(0)}, {600, 601}});
  xen.report("exchange.second_bad.first_type", d.type(3));
  xen.report("exchange.pinned.pin", d.pin(1, 4));
  one("pinned", {&xen, d.id(), d.id(), {d.mfn(4)}, {600}});
  {
    Mapped m(xen, d.id(), {d.mfn(5)}, PROT_READ);
    one("mapped", {&xen, d.id(), d.id(), {d.mfn(5)}, {600}});
  }
  one("after_unmapping", {&xen, d.id(), d.id(), {d.mfn(5)}, {600}});
}

void figures(Xen& xen) {
  Scratch d(xen, 5);
  const auto ask = [&](const char* name, uint32_t cmd, uint32_t domid) {
    xen_memory_domain arg{};
    arg.domid = static_cast<domid_t>(domid);
    xen.report(name, xen.memory_op(cmd, &arg, sizeof arg));
  };
  ask("figures.current", XENMEM_current_reservation, d.id());
  ask("figures.maximum", XENMEM_maximum_reservation, d.id());
  ask("figures.gpfn", XENMEM_maximum_gpfn, d.id());
  ask("figures.no_such_domain", XENMEM_current_reservation, 30000);
}

void claims(Xen& xen) {
  Scratch d(xen, 4);
  const auto claim = [&](const char* name, uint64_t pages, uint32_t domid) {
    xen_memory_reservation_t r{};
    r.nr_extents = pages;
    r.domid = static_cast<domid_t>(domid);
    xen.report(name, xen.memory_op(XENMEM_claim_pages, &r, sizeof r));
  };
  claim("claim.six", 6, d.id());
  xen.report("claim.outstanding", d.info().outstanding_pages);
  claim("claim.again", 7, d.id());
  claim("claim.cancel", 0, d.id());
  xen.report("claim.cancelled", d.info().outstanding_pages);
  claim("claim.what_it_has", 4, d.id());
  claim("claim.less_than_it_has", 2, d.id());
  claim("claim.over_its_limit", 1000, d.id());
  claim("claim.no_such_domain", 6, 30000);
  claim("claim.six_again", 6, d.id());
  std::vector<xen_pfn_t> pfns = {50};
  xen.report("claim.populate", xen.reservation(XENMEM_populate_physmap, d.id(), pfns));
  xen.report("claim.rest", d.info().outstanding_pages);
  xen_domctl op{};
  op.u.max_mem.max_memkb = 4 * uint64_t{0x10000000};
  xen.report("claim.raise_limit", xen.domctl(XEN_DOMCTL_max_mem, d.id(), op));
  claim("claim.cancel_again", 0, d.id());
  claim("claim.more_than_the_host", 0x8000000, d.id());
}

void types(Xen& xen) {
  Scratch d(xen), other(xen);
  xen.report("type.data", d.type(0));
  xen.report("type.of_another", d.type_of_mfn(other.mfn(0)));
  xen.report("type.no_such_frame", d.type_of_mfn(0xffffffffe));
  xen.report("type.all_ones", d.type_of_mfn(~uint64_t{0}));
  xen.report("type.shared_info", d.type_of_mfn(d.info().shared_info_frame));
  {
    Mapped m(xen, d.id(), {d.mfn(1)}, PROT_READ | PROT_WRITE);
    xen.report("type.mapped_writable", d.type(1));
  }
  Shared<xen_pfn_t> list(xen.calls(), 1025);
  xen_domctl op{};
  op.u.getpageframeinfo3.array.p = list.get();
  op.u.getpageframeinfo3.num = 1025;
  xen.report("type.1025", xen.domctl(XEN_DOMCTL_getpageframeinfo3, d.id(), op));
  op = {};
  op.u.getpageframeinfo3.array.p = list.get();
  op.u.getpageframeinfo3.num = 1024;
  xen.report("type.1024", xen.domctl(XEN_DOMCTL_getpageframeinfo3, d.id(), op));
  op = {};
  xen.report("type.none", xen.domctl(XEN_DOMCTL_getpageframeinfo3, d.id(), op));
}

}  // namespace

void memory_cases(Xen& xen) {
  populate(xen);
  increase(xen);
  decrease(xen);
  exchange(xen);
  figures(xen);
  claims(xen);
  types(xen);
}

}  // namespace conformance
