// Variants of one image: of a real guest, so that copying it page by page would take long. Batches
// of pages that no change touches are copied as they are.
#pragma once

#include <map>
#include <vector>

#include "tests/audit/image_builder.h"
#include "tests/audit/image_surgery.h"

namespace ferry::test {

// A sound image of a save in one pass, without an xl file around it.
class RealImage {
 public:
  explicit RealImage(const Bytes& image);

  const v1::Head& head() const { return head_; }
  uint64_t nr_pfns() const { return head_.nr_pfns(); }
  v1::PageKind kind(uint64_t pfn) const { return places_.at(pfn).kind; }
  TestPage page(uint64_t pfn) const;
  const std::vector<TestVcpu>& vcpus() const { return vcpus_; }

 private:
  friend class Variant;
  struct Place {
    v1::PageKind kind = v1::ABSENT;
    uint32_t piece = 0;  // that has the page
    uint32_t nth = 0;    // of the pages with data in it
  };
  Bytes pages_of(uint32_t piece) const;

  v1::Head head_;
  std::vector<Piece> pieces_;
  std::vector<PagesView> views_;  // of the pieces that are Pages, without data
  std::vector<Place> places_;     // by pfn
  std::vector<TestVcpu> vcpus_;
  // The batch that was looked at last.
  mutable uint32_t held_piece_ = ~0u;
  mutable Bytes held_;
};

// One variant: everything that is asked for by a reference may be changed.
class Variant {
 public:
  explicit Variant(const RealImage& of);

  TestPage& page(uint64_t pfn);
  uint64_t& entry(uint64_t pfn, unsigned index) { return page(pfn).words[index]; }
  TestVcpu& vcpu(size_t n) { return vcpus_.at(n); }
  v1::CpuPolicy& cpu_policy() { return cpu_policy_; }
  v1::Tsc& tsc() { return tsc_; }

  Bytes image() const;

 private:
  bool touches(const PagesView& view) const;
  Bytes changed_batch(uint32_t piece, uint64_t sequence, std::vector<PageRun>& runs) const;

  const RealImage& of_;
  std::map<uint64_t, TestPage> pages_;
  std::vector<TestVcpu> vcpus_;
  v1::CpuPolicy cpu_policy_;
  v1::Tsc tsc_;
};

// The same guest, but of its data, into which neither an audit nor Xen looks, one page in 64 is
// left and zeros of the rest: then a variant costs a twentieth. Page tables, p2m, vCPUs and the
// pages that they name are as they were.
Bytes thinned(const RealImage& image);

}  // namespace ferry::test
