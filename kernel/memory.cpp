// The direct map and the allocator.
#include "kernel/memory.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

constexpr uint64_t kNoneFree = ~uint64_t{0};

// Before there are records.
uint64_t next_unused, mapped_end;
guest_page any_page;

PageRecord* records;
uint64_t nr_records, nr_memory;
uint64_t first_free = kNoneFree, nr_free;

template <typename T>
T* at(uint64_t va) {
  return reinterpret_cast<T*>(va);
}

// The next page that nobody has had.
pfn_t take_unused() {
  if (next_unused >= mapped_end) bug("no memory before there is an allocator");
  return pfn_t(next_unused++);
}

void add_free(uint64_t pfn) {
  PageRecord& r = records[pfn];
  r.use = PageUse::free;
  r.next = first_free;
  first_free = pfn;
  ++nr_free;
}

// The L1 table for 2 MiB of the direct map. A page that the guest has not got yet has no entry.
void map_leaf(uint64_t first) {
  pv_mmu_ops* ops = xen_mmu_ops();
  const auto& map = current_guest().core.map;
  const uint64_t va = va_of(pfn_t(first));
  if (map.entry_address(va, PT_PMD) == 0) {
    const pfn_t l2 = take_unused();
    for (unsigned i = 0; i < 512; ++i) at<uint64_t>(va_of(l2))[i] = 0;
    ops->alloc_pmd(nullptr, l2.raw());
    ops->set_pud(at<pud_t>(map.entry_address(va, PT_PUD)),
                 ops->make_pud(l2.raw() << kPageShift | kTableFlags));
  }
  if (map.l2_entry(va) != 0) return;
  const pfn_t l1 = take_unused();
  for (uint64_t i = 0; i < 512; ++i)
    at<uint64_t>(va_of(l1))[i] =
        first + i < nr_memory ? ops->make_pte((first + i) << kPageShift | kKernelReadWrite).pte : 0;
  ops->alloc_pte(nullptr, l1.raw());
  ops->set_pmd(at<pmd_t>(map.entry_address(va, PT_PMD)),
               ops->make_pmd(l1.raw() << kPageShift | kTableFlags));
}

}  // namespace

void begin_memory(pfn_t first) {
  next_unused = first.raw();
  // The builder leaves half a MiB behind what it made, and maps it.
  mapped_end = next_unused + 128;
}

void map_memory(uint64_t nr_pages, uint64_t most_pages) {
  nr_memory = nr_pages;
  for (uint64_t first = 0; first < most_pages; first += 512) {
    map_leaf(first);
    const uint64_t end = first + 512 < nr_pages ? first + 512 : nr_pages;
    if (end > mapped_end) mapped_end = end;
  }
  nr_records = most_pages;
}

void make_records() {
  records = at<PageRecord>(va_of(pfn_t(next_unused)));
  next_unused += (nr_records * sizeof(PageRecord) + kPageSize - 1) >> kPageShift;
  if (next_unused >= nr_memory) bug("no memory for the records of pages");
  for (uint64_t pfn = 0; pfn < nr_records; ++pfn) {
    records[pfn] = PageRecord{};
    if (pfn < nr_memory) records[pfn].use = PageUse::kernel;
  }
  for (uint64_t pfn = nr_memory; pfn-- > next_unused;) add_free(pfn);
}

uint64_t memory_end() {
  return records ? nr_records : mapped_end;
}
PageRecord& record_of(pfn_t pfn) {
  if (pfn.raw() >= nr_records) bug("pfn beyond the kernel's memory");
  return records[pfn.raw()];
}
guest_page& guest_record(pfn_t pfn) {
  return records ? record_of(pfn).guest : any_page;
}

bool alloc_page(PageUse use, pfn_t& pfn) {
  if (!records) {
    pfn = take_unused();
    return true;
  }
  if (first_free == kNoneFree) return false;
  pfn = pfn_t(first_free);
  PageRecord& r = record_of(pfn);
  if (r.use != PageUse::free) bug("a page that is not free is in the allocator");
  first_free = r.next;
  --nr_free;
  r.use = use;
  r.mappings = 0;
  r.changing = false;
  return true;
}

void free_page(pfn_t pfn) {
  PageRecord& r = record_of(pfn);
  if (r.use == PageUse::free || r.use == PageUse::absent) bug("page freed twice");
  if (r.guest.pinned) bug("page freed while it is a page table");
  r.guest = {};
  add_free(pfn.raw());
}

uint64_t free_pages() {
  return nr_free;
}

uint64_t pages_of_memory() {
  return nr_memory;
}
void lose_page(pfn_t pfn) {
  record_of(pfn).use = PageUse::absent;
  --nr_memory;
}
void gain_page(pfn_t pfn) {
  record_of(pfn).guest = {};
  ++nr_memory;
  add_free(pfn.raw());
}

}  // namespace ferry::kernel
