// References as a type, promotion and demotion of page tables.
#include "sim/machine/page_types.h"

#include <cerrno>

#include "sim/machine/log_dirty.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

// Xen's own slots of an L4, overwritten at every promotion. The values are this host's, so an
// image that carries them is wrong on the next host.
void fill_xen_slots(Host& host, mfn_t l4) {
  const uint64_t flags = kPtePresent | kPteRw | kPteAccessed | kPteDirty;
  uint64_t* e = host.entries(l4);
  const mfn_t m2p(host.state().m2p_mfn);
  const Domain* owner = host.find_domain(host.frame(l4).owner);
  const bool strict = owner && hides_m2p(*owner);
  show_m2p(host, l4, strict);
  e[257] = make_pte(m2p + 1, flags);
  e[258] = make_pte(l4, flags);
  e[259] = 0;
  for (unsigned slot = 260; slot <= kLastXenSlot; ++slot)
    e[slot] = make_pte(m2p + (slot - 256), flags);
}

// Undoes what promote did for slots below `end`.
void drop_entries(Host& host, unsigned level, mfn_t table, unsigned end) {
  const uint64_t* e = host.entries(table);
  for (unsigned slot = 0; slot < end; ++slot) {
    if (!is_guest_slot(level, slot) || !pte_present(e[slot])) continue;
    if (level == 1)
      put_page_from_l1e(host, e[slot]);
    else
      put_page_from_table_entry(host, e[slot], table);
  }
}

void log_refusal(Host& host, bool first, mfn_t table, unsigned level, unsigned slot) {
  RefusalLog& log = host.state().refusal_log;
  if (first) {
    ++log.refusals;
    log.depth = 0;
  }
  if (log.depth < 4) log.path[log.depth++] = {table.raw(), level, slot};
}

int promote_table(Host& host, unsigned level, mfn_t table, DomainNumber owner) {
  uint64_t* e = host.entries(table);
  for (unsigned slot = 0; slot < 512; ++slot) {
    if (!is_guest_slot(level, slot) || !pte_present(e[slot])) continue;
    const uint64_t refusals = host.state().refusal_log.refusals;
    const int rc = level == 1 ? get_page_from_l1e(host, e[slot], owner, owner)
                              : get_page_from_table_entry(host, level, e[slot], table, owner);
    if (rc) {
      log_refusal(host, host.state().refusal_log.refusals == refusals, table, level, slot);
      drop_entries(host, level, table, slot);
      return rc;
    }
    e[slot] = adjust_guest_entry(level, e[slot]);
  }
  if (level == 4) fill_xen_slots(host, table);
  return 0;
}

int promote_descriptors(Host& host, mfn_t mfn) {
  uint64_t* descriptors = host.entries(mfn);
  for (unsigned i = 0; i < 512; ++i) {
    if (check_descriptor(descriptors[i])) continue;
    log_refusal(host, true, mfn, 0, i);
    return -EINVAL;
  }
  return 0;
}

int promote(Host& host, mfn_t mfn, PageType type) {
  mark_dirty(host, mfn);  // a page is dirtied when it becomes a page table
  Frame& f = host.frame(mfn);
  f.linear_count = 0;
  if (type == PageType::seg_desc) return promote_descriptors(host, mfn);
  return promote_table(host, level_of(type), mfn, f.owner);
}

void demote(Host& host, mfn_t mfn) {
  mark_dirty(host, mfn);  // and when it stops to be one
  drop_entries(host, level_of(host.frame(mfn).type), mfn, 512);
}

// Drops a type reference; `from` is the table whose entry held it, or none.
void put_type(Host& host, mfn_t mfn, const mfn_t* from) {
  Frame& f = host.frame(mfn);
  const bool linear = from && host.frame(*from).type == f.type;
  if (f.type_count == 1 && is_page_table(f.type) && f.validated) {
    f.validated = 0;
    demote(host, mfn);
  }
  --f.type_count;
  if (linear) {
    --f.linear_count;
    ++host.frame(*from).linear_count;
  }
}

// A table may appear in another one of its own level ("linear" mapping of page tables), read-only
// and one level deep: a table with linear entries cannot be the target of one.
bool get_linear(Host& host, unsigned level, uint64_t entry, mfn_t table, DomainNumber owner) {
  if (!host.state().linear_page_tables || (entry & kPteRw)) return false;
  const mfn_t target = pte_mfn(entry);
  if (target == table) return true;
  Frame& from = host.frame(table);
  if (from.owner != owner || !get_page(host, target, owner)) return false;
  Frame& to = host.frame(target);
  const bool good = from.linear_count <= 0 && to.linear_count >= 0 &&
                    to.type == table_type(level) && to.validated;
  if (!good) {
    put_page(host, target);
    return false;
  }
  --from.linear_count;
  ++to.linear_count;
  ++to.type_count;
  return true;
}

}  // namespace

void show_m2p(Host& host, mfn_t l4, bool shown) {
  host.entries(l4)[kFirstXenSlot] =
      shown ? make_pte(mfn_t(host.state().m2p_mfn), kPtePresent | kPteAccessed) : 0;
}

int get_page_type(Host& host, mfn_t mfn, PageType type) {
  Frame& f = host.frame(mfn);
  if (f.type_count == 0) {
    if (f.type != type) {
      f.type = type;
      f.validated = 0;
    }
  } else if (f.type != type || !f.validated) {
    return -EINVAL;
  }
  ++f.type_count;
  if (f.validated) return 0;
  const int rc = type == PageType::writable ? 0 : promote(host, mfn, type);
  if (rc == 0) {
    f.validated = 1;
  } else {
    --f.type_count;
    f.type = PageType::none;
  }
  return rc;
}

void put_page_type(Host& host, mfn_t mfn) {
  put_type(host, mfn, nullptr);
}

int get_page_and_type(Host& host, mfn_t mfn, DomainNumber owner, PageType type) {
  if (!get_page(host, mfn, owner)) return -EINVAL;
  const int rc = get_page_type(host, mfn, type);
  if (rc) put_page(host, mfn);
  return rc;
}

void put_page_and_type(Host& host, mfn_t mfn) {
  put_page_type(host, mfn);
  put_page(host, mfn);
}

uint64_t disallowed_flags(unsigned level) {
  return level == 1 ? kPtePwt | kPtePcd | kPtePse : kPtePwt | kPtePcd | kPtePse | kPteGlobal;
}

int get_page_from_l1e(Host& host, uint64_t l1e, DomainNumber table_owner,
                      DomainNumber frame_owner) {
  if (l1e & disallowed_flags(1)) return -EINVAL;
  const mfn_t mfn = pte_mfn(l1e);
  if (!host.valid(mfn)) {
    // Neither RAM nor a device that this domain may use.
    return mfn.raw() == (kPteFrameMask >> kPageShift) ? -EINVAL : -EPERM;
  }
  Frame& f = host.frame(mfn);
  if (f.count == 0) return -EBUSY;
  if (f.owner != frame_owner) {
    // A privileged domain named as the frames' owner passes on its right over everybody's frames.
    const Domain* named = host.find_domain(frame_owner);
    if (frame_owner == table_owner || !named || !named->privileged) return -EBUSY;
  }
  ++f.count;
  if ((l1e & kPteRw) && get_page_type(host, mfn, PageType::writable) != 0) {
    put_page(host, mfn);
    return -EBUSY;
  }
  return 0;
}

void put_page_from_l1e(Host& host, uint64_t l1e) {
  const mfn_t mfn = pte_mfn(l1e);
  if (!pte_present(l1e) || !host.valid(mfn)) return;
  if (l1e & kPteRw)
    put_page_and_type(host, mfn);
  else
    put_page(host, mfn);
}

int get_page_from_table_entry(Host& host, unsigned level, uint64_t entry, mfn_t table,
                              DomainNumber owner) {
  if (entry & disallowed_flags(level)) return -EINVAL;
  const int rc = get_page_and_type(host, pte_mfn(entry), owner, table_type(level - 1));
  if (rc == -EINVAL && get_linear(host, level, entry, table, owner)) return 0;
  return rc;
}

void put_page_from_table_entry(Host& host, uint64_t entry, mfn_t table) {
  const mfn_t mfn = pte_mfn(entry);
  if (!pte_present(entry) || mfn == table) return;
  put_type(host, mfn, &table);
  put_page(host, mfn);
}

uint64_t adjust_guest_entry(unsigned level, uint64_t entry) {
  if (!pte_present(entry)) return entry;
  if (level == 1) {
    if (!(entry & kPteUser)) entry |= kPteGuestKernel | kPteUser;
    if (!(entry & kPteGuestKernel)) entry |= kPteGlobal | kPteUser;
    return entry;
  }
  entry |= kPteUser;
  if (level == 4) entry |= kPteAccessed;
  return entry;
}

bool check_descriptor(uint64_t& descriptor) {
  constexpr uint32_t present = 1 << 15, code_or_data = 1 << 12, type_mask = 0xf << 8;
  constexpr uint32_t call_gate = 0xc << 8, dpl_mask = 3 << 13;
  auto low = static_cast<uint32_t>(descriptor);
  auto high = static_cast<uint32_t>(descriptor >> 32);
  if (!(high & present)) return true;
  // A 64-bit guest's kernel and user both run in ring 3.
  constexpr uint32_t dpl = 3;
  high |= dpl_mask;
  if (!(high & code_or_data)) {
    if ((high & type_mask) == 0) return true;  // second half of a call gate
    if ((high & type_mask) != call_gate) return false;
    const uint32_t selector = low >> 16 | 3;  // raised to ring 3 before it is judged
    // The target has to be a code segment that Xen keeps for guests or one of the guest's own.
    const bool of_guest = (selector >> 3) < FIRST_RESERVED_GDT_ENTRY || (selector & 4);
    if (!of_guest && selector != FLAT_KERNEL_CS) return false;
    high &= ~dpl_mask;
    low = (low & 0xffff) | ((selector & ~3u) | dpl) << 16;
    if (high & 0xff) return false;
  }
  descriptor = uint64_t{high} << 32 | low;
  return true;
}

void force_demote(Host& host, mfn_t mfn) {
  Frame& f = host.frame(mfn);
  if (!is_page_table(f.type) || !f.validated) return;
  f.validated = 0;
  demote(host, mfn);
}

}  // namespace ferry::sim
