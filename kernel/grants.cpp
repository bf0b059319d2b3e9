// The grant table, and mappings of what is granted.
#include "kernel/grants.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/content.h"
#include "kernel/hypercall.h"
#include "kernel/memory.h"
#include "kernel/store.h"

namespace ferry::kernel {
namespace {

constexpr unsigned kFirst = 8;  // references below are the toolstack's
constexpr unsigned kGrants = 8;

struct Grant {
  bool granted = false, mapped = false;
  pfn_t page;  // of ours
  pfn_t at;    // a pfn without memory, where it is mapped
  uint32_t handle = 0;
} grants[kGrants];

volatile grant_entry_v1* entries;
::domid_t self;
uint64_t random_state = 5;

volatile uint64_t* words_of(pfn_t pfn) {
  return reinterpret_cast<volatile uint64_t*>(va_of(pfn));
}

void read_domid() {
  char number[8];
  const int length = store().read(0, "domid", number, sizeof number);
  unsigned id = 0;
  for (int i = 0; i < length && number[i] >= '0' && number[i] <= '9'; ++i)
    id = 10 * id + static_cast<unsigned>(number[i] - '0');
  self = static_cast<::domid_t>(id);
}

void write_entry(unsigned n) {
  volatile grant_entry_v1& entry = entries[kFirst + n];
  entry.frame = static_cast<uint32_t>(pfn_to_mfn(grants[n].page.raw()));
  entry.domid = self;
  __atomic_store_n(&entry.flags, GTF_permit_access, __ATOMIC_RELEASE);
}

void grant(unsigned n) {
  Grant& g = grants[n];
  if (!alloc_page(PageUse::granted, g.page)) return;
  record_of(g.page).content = draw(random_state) | 1;
  fill(words_of(g.page), record_of(g.page).content);
  g.granted = true;
  write_entry(n);
}

void revoke(unsigned n) {
  Grant& g = grants[n];
  // Xen says in the entry whether somebody still uses it.
  if ((entries[kFirst + n].flags & (GTF_reading | GTF_writing)) != 0)
    complain("grant ", n, " is still in use");
  __atomic_store_n(&entries[kFirst + n].flags, uint16_t{0}, __ATOMIC_RELEASE);
  free_page(g.page);
  g.granted = false;
}

// A pfn that has no memory.
bool find_place(pfn_t& pfn) {
  for (uint64_t n = memory_end(); n-- > 0;) {
    pfn = pfn_t(n);
    if (record_of(pfn).use == PageUse::absent && get_phys_to_machine(n) == INVALID_P2M_ENTRY)
      return true;
  }
  return false;
}

void unmap(Grant& g) {
  if (!xen_clear_foreign_frame(g.at.raw())) complain("a foreign page is not foreign");
  gnttab_unmap_grant_ref request{};
  request.host_addr = va_of(g.at);
  request.handle = g.handle;
  if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, address(&request), 1) != 0 ||
      request.status != GNTST_okay)
    complain("a grant cannot be unmapped");
  g.mapped = false;
}

void map(unsigned n) {
  Grant& g = grants[n];
  if (!find_place(g.at)) return;
  gnttab_map_grant_ref request{};
  request.host_addr = va_of(g.at);
  request.flags = GNTMAP_host_map;
  request.ref = kFirst + n;
  request.dom = self;
  if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, address(&request), 1) != 0 ||
      request.status != GNTST_okay)
    return complain("grant ", n, " cannot be mapped");
  g.handle = request.handle;
  g.mapped = true;
  if (!xen_set_foreign_frame(g.at.raw(), request.dev_bus_addr >> kPageShift)) return unmap(g);
  if (first_difference(words_of(g.at), record_of(g.page).content) != kWords)
    complain("grant ", n, " is mapped to something else");
  // What is written there is in the page.
  record_of(g.page).content = draw(random_state) | 1;
  fill(words_of(g.at), record_of(g.page).content);
}

}  // namespace

void set_up_grants(uint64_t table) {
  entries = reinterpret_cast<volatile grant_entry_v1*>(table);
  read_domid();
}

void act_with_grants() {
  const unsigned n = static_cast<unsigned>(draw(random_state) % kGrants);
  Grant& g = grants[n];
  if (!g.granted)
    grant(n);
  else if (!g.mapped)
    draw(random_state) % 2 == 0 ? map(n) : revoke(n);
  else
    unmap(g);
}

void suspend_grants() {
  for (Grant& g : grants)
    if (g.mapped) unmap(g);
}

void resume_grants(bool cancelled) {
  if (cancelled) return;
  read_domid();
  for (unsigned n = 0; n < kGrants; ++n)
    if (grants[n].granted) write_entry(n);
}

}  // namespace ferry::kernel
