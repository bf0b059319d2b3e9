// Every template of the freestanding-clean folders, put to use where there is no C++ library: what
// this file needs from outside is checked by the test freestanding_symbols.
#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "p2m/published.h"

namespace {

struct Frames {
  bool pfn_of(ferry::mfn_t mfn, ferry::pfn_t& pfn) const {
    pfn = ferry::pfn_t(mfn.raw() ^ 1);
    return true;
  }
  bool mfn_of(ferry::pfn_t pfn, ferry::mfn_t& mfn) const {
    mfn = ferry::mfn_t(pfn.raw() ^ 1);
    return true;
  }
};

struct Memory {
  const uint64_t* base;
  const uint64_t* frame(ferry::mfn_t mfn) const { return base + 512 * mfn.raw(); }
};

struct Visitor {
  uint64_t sum = 0;
  void leaf(uint64_t, ferry::mfn_t mfn) { sum += mfn.raw(); }
  void table(unsigned level, ferry::mfn_t) { sum += level; }
};

}  // namespace

extern "C" uint64_t use_canonicalize(int level, uint64_t (&page)[512]) {
  const pt_level l = static_cast<pt_level>(level);
  uint64_t sum = 0;
  sum += static_cast<uint64_t>(ferry::canonicalize_table(l, page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::visit_table(l, page, [&](unsigned, ferry::pfn_t pfn) {
                                 sum += pfn.raw();
                                 return true;
                               }).fault);
  sum += static_cast<uint64_t>(ferry::localise_table(l, page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::canonicalize_p2m_leaf(page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::localise_p2m_leaf(page, page, Frames{}).fault);
  return sum;
}

extern "C" uint64_t use_published(const void* shared_info, const uint64_t* memory) {
  Visitor visitor;
  Memory frames{memory};
  const auto r = ferry::read_published_p2m(ferry::published_p2m_of(shared_info), {.nr_mfns = 1000},
                                           frames, visitor);
  return visitor.sum + r.nr_pfns;
}
