// How large an image will be.
#include "save/size_guess.h"

#include <algorithm>

#include "save/page_batch.h"

namespace ferry {
namespace {

constexpr uint64_t kRuns = 128;  // one in each part of the guest
constexpr uint64_t kPagesOfRun = 16;

// What a run's pages take is between nothing and all of their size, so its standard deviation is at
// most half of that; three standard errors of 128 runs are about an eighth of the guest.
constexpr uint64_t kErrorOfGuest = 8;

// The same places each time, but none that a guest's own regularity could fall in step with.
uint64_t scattered(uint64_t n) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15u;
  constexpr unsigned kHigh = 32;
  return n * kOdd >> kHigh;
}

PfnSet pages_to_look_at(uint64_t nr_pfns) {
  PfnSet pages(nr_pfns);
  const uint64_t part = nr_pfns / kRuns;
  for (uint64_t run = 0; run < kRuns && part > kPagesOfRun; ++run)
    for (uint64_t i = 0; i < kPagesOfRun; ++i)
      pages.add(pfn_t(run * part + scattered(run + 1) % (part - kPagesOfRun) + i));
  if (part <= kPagesOfRun)
    for (uint64_t pfn = 0; pfn < nr_pfns; ++pfn) pages.add(pfn_t(pfn));
  return pages;
}

struct Counted final : ByteSink {
  void write(std::span<const std::byte> bytes) override { total += bytes.size(); }
  uint64_t total = 0;
};

}  // namespace

uint64_t least_image_bytes(const Hypervisor& xen, domid_t domid,
                           const std::shared_ptr<const GuestView>& guest, int level) {
  const PfnSet wanted = pages_to_look_at(guest->nr_pfns());
  Counted image;
  RecordWriter writer(image, guest->nr_pfns());
  BatchContext context{xen, domid, writer, {level, 1}};
  PageObserver nobody;
  PassProgress progress;
  Pass pass{
      .guest = guest, .misfits = Misfits::put_off, .observer = &nobody, .progress = &progress};
  PageCursor cursor;
  cursor.wanted = &wanted;
  while (const auto batch = PageBatch::next(context, pass, cursor)) {
    batch->work();
    batch->consume();
  }
  const uint64_t looked_at = std::max<uint64_t>(wanted.count(), 1);
  const uint64_t guess = image.total * guest->nr_pfns() / looked_at;
  return guess - std::min(guess, guest->nr_pfns() * kPageSize / kErrorOfGuest);
}

}  // namespace ferry
