// The memory of a domain under restore: frames are given to it and pages put into them.
#pragma once

#include <mutex>
#include <span>
#include <vector>

#include "canonicalize/table.h"
#include "intake/guest_records.h"
#include "pipeline/crew.h"
#include "restore/frame_map.h"
#include "xen/domain.h"
#include "xen/foreign_mapping.h"

namespace ferry {

class GuestMemory {
  // Entries want to be aligned, wherever the image's bytes lie.
  struct alignas(64) TableCopy {
    table_page entries;
  };

 public:
  // threads: that localise and copy pages.
  GuestMemory(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns, unsigned threads)
      : xen_(xen), domid_(domid), frames_(nr_pfns), crew_(threads) {}

  const FrameMap& frames() const { return frames_; }

  // Gives frames to the pfns of these runs, in large extents where that is possible. Pfns that have
  // one keep it. Throws Error(no_memory), Error(bad_image) for pfns beyond the guest.
  void populate_runs(std::span<const PfnRun> runs);

  // The pages of one record, in pfn form as they are in the image: gives frames, localises tables
  // and p2m leaves, copies. pages holds 4096 bytes for each page with data. Somebody may still
  // write there: each byte is read once, those of tables and leaves before they are judged. A page
  // of zeros is written only if its frame is not zero already. Throws Error(bad_image), naming page
  // and entry.
  void put_pages(std::span<const KindRun> runs, std::span<const std::byte> pages);

 private:
  struct Page {
    pfn_t pfn;
    PageKind kind;
    const std::byte* bytes;     // where they came from; of a page of zeros nowhere
    const table_page* entries;  // of a table or a leaf: our copy
  };
  void populate_pfns(std::span<const pfn_t> pfns);
  void populate_run(const PfnRun& run, std::vector<pfn_t>& singles);
  void flush(std::vector<pfn_t>& singles);
  void want(pfn_t pfn, std::vector<pfn_t>& wanted) const;
  void check(std::span<const KindRun> runs, std::span<const std::byte> pages) const;
  void collect(std::span<const KindRun> runs, std::span<const std::byte> pages);
  const table_page* copy_of(PageKind kind, const std::byte* bytes);
  void populate_for_pages();
  void want_referred(const Page& page, std::vector<pfn_t>& wanted) const;
  void fill();
  ForeignMapping map(std::span<const mfn_t> frames);
  void localise(const Page& page, std::byte* into) const;
  void forget(pfn_t pfn, std::vector<mfn_t>& given_back);

  const Hypervisor& xen_;
  domid_t domid_;
  FrameMap frames_;
  Crew crew_;
  std::mutex to_map_;  // a Hypervisor is for one thread at a time
  // Of the record at hand: its pages with a frame, and our copies of those that are judged.
  std::vector<Page> pages_;
  std::vector<mfn_t> targets_;  // their frames
  std::vector<TableCopy> copies_;
};

}  // namespace ferry
