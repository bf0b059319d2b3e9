// Mapping other domains' frames into dom0.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr int kRead = PROT_READ, kWrite = PROT_READ | PROT_WRITE;

void map(Xen& xen, const std::string& name, uint32_t domid, uint64_t mfn) {
  {
    Mapped m(xen, domid, {mfn}, kRead);
    xen.report(name + ".ro", m.outcome());
  }
  Mapped m(xen, domid, {mfn}, kWrite);
  xen.report(name + ".rw", m.outcome());
}

}  // namespace

void foreign_map_cases(Xen& xen) {
  Scratch d(xen), other(xen);
  map(xen, "map.data", d.id(), d.mfn(0));
  map(xen, "map.frame_of_another", d.id(), other.mfn(0));
  map(xen, "map.no_such_frame", d.id(), 0xffffffffe);
  map(xen, "map.own_shared_info", d.id(), d.info().shared_info_frame);
  map(xen, "map.shared_info_of_another", d.id(), other.info().shared_info_frame);
  map(xen, "map.no_such_domain", 30000, d.mfn(0));
  map(xen, "map.frame_of_nobody_named_xen", DOMID_XEN, d.mfn(0));

  xen.report("map.pinned_l1.pin", d.pin(1, 1));
  map(xen, "map.pinned_l1", d.id(), d.mfn(1));
  xen.report("map.unpinned_l1.unpin", d.unpin(1));
  map(xen, "map.unpinned_l1", d.id(), d.mfn(1));

  // A table in use, not pinned itself.
  d.write(2, {{0, d.to(3, Scratch::kTable)}});
  xen.report("map.linked_l1.pin_l2", d.pin(2, 2));
  map(xen, "map.linked_l1", d.id(), d.mfn(3));

  // While it is mapped writable a page stays writable; read-only mappings hold no type.
  {
    Mapped first(xen, d.id(), {d.mfn(4)}, kWrite);
    Mapped second(xen, d.id(), {d.mfn(4)}, kWrite);
    xen.report("map.twice", second.outcome());
    first.drop();
    xen.report("map.twice.pin_with_one_left", d.pin(1, 4));
    xen.report("map.twice.type", d.type(4));
  }
  xen.report("map.twice.pin_with_none_left", d.pin(1, 4));

  const uint64_t free_frame = [&] {
    Scratch gone(xen);
    return gone.mfn(0);
  }();
  map(xen, "map.free_frame", d.id(), free_frame);

  // Frames given back while mapped.
  {
    const uint64_t before = d.info().tot_pages;
    Mapped m(xen, d.id(), {d.mfn(5)}, kRead);
    xen.report("map.given_back.decrease", d.decrease(5));
    xen.report("map.given_back.pages_gone", before - d.info().tot_pages);
    xen.report("map.given_back.type", d.type(5));
    xen.report("map.given_back.m2p", xen.m2p(d.mfn(5)));
    xen.report("map.given_back.again", d.decrease(5));
    m.drop();
    xen.report("map.given_back.pages_gone_after", before - d.info().tot_pages);
    xen.report("map.given_back.type_after", d.type(5));
    xen.report("map.given_back.m2p_after", xen.m2p(d.mfn(5)));
  }
}

}  // namespace conformance
