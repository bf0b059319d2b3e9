// Grant tables: the shared frames, and mapping, unmapping and copying of granted frames.
#include "sim/machine/grants.h"

#include <cerrno>
#include <cstring>

#include "sim/machine/log_dirty.h"
#include "sim/machine/mmu.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr uint32_t kEntriesPerFrame = kPageSize / sizeof(grant_entry_v1_t);
constexpr uint32_t kOneWritable = 1u << 16;  // a pin counter: readers below, writers above

grant_entry_v1_t* entry_of(Host& host, Domain& d, uint32_t ref) {
  if (ref >= d.grants.frames * kEntriesPerFrame) return nullptr;
  const mfn_t frame(d.grants.mfns[ref / kEntriesPerFrame]);
  return reinterpret_cast<grant_entry_v1_t*>(host.page(frame)) + ref % kEntriesPerFrame;
}

int grow(Host& host, Domain& d, uint32_t frames) {
  if (frames > d.grants.max_frames) return -EINVAL;
  while (d.grants.frames < frames) {
    const auto mfn = allocate_special(host, d);
    if (!mfn) return -ENOMEM;
    d.grants.mfns[d.grants.frames++] = mfn->raw();
  }
  return 0;
}

void setup_table(Host& host, Domain& caller, gnttab_setup_table_t& op) {
  Domain* d = op.dom == DOMID_SELF ? &caller : host.find_domain(op.dom);
  if (!d) {
    op.status = GNTST_bad_domain;
  } else if (d != &caller && !caller.privileged) {
    op.status = GNTST_permission_denied;
  } else if (op.nr_frames > d->grants.max_frames) {
    op.status = GNTST_general_error;
  } else if (grow(host, *d, op.nr_frames)) {
    op.status = GNTST_no_space;
  } else {
    for (uint32_t i = 0; i < op.nr_frames; ++i) op.frame_list.p[i] = d->grants.mfns[i];
    op.status = GNTST_okay;
  }
}

void query_size(Host& host, Domain& caller, gnttab_query_size_t& op) {
  Domain* d = op.dom == DOMID_SELF ? &caller : host.find_domain(op.dom);
  if (!d) {
    op.status = GNTST_bad_domain;
  } else if (d != &caller && !caller.privileged) {
    op.status = GNTST_permission_denied;
  } else {
    op.nr_frames = d->grants.frames;
    op.max_nr_frames = d->grants.max_frames;
    op.status = GNTST_okay;
  }
}

// The L1 slot that a host mapping goes to: named by machine address or by virtual address.
std::optional<TableSlot> host_slot(Host& host, const Domain& caller, const Vcpu& v,
                                   uint64_t address, bool contains_pte) {
  std::optional<TableSlot> at;
  if (contains_pte) {
    if (address & 7) return std::nullopt;
    at = TableSlot{mfn_t(address >> kPageShift),
                   static_cast<unsigned>(address & (kPageSize - 1)) / 8};
    if (!host.valid(at->table)) return std::nullopt;
  } else {
    at = find_l1e(host, v, address);
    if (!at) return std::nullopt;
  }
  const Frame& f = host.frame(at->table);
  const bool good =
      f.owner == caller.domid && f.type == PageType::l1 && f.type_count && f.validated;
  return good ? at : std::nullopt;
}

int maptrack_slot(const GrantTable& grants) {
  for (unsigned i = 0; i < kMaxMaptrack; ++i)
    if (!grants.maptrack[i].used) return static_cast<int>(i);
  return -1;
}

// Marks the grant as in use and says which frame it names; GNTST_*.
int16_t pin_grant(Host& host, Domain& granter, DomainNumber user, uint32_t ref, bool readonly,
                  mfn_t& mfn) {
  grant_entry_v1_t* entry = entry_of(host, granter, ref);
  if (!entry) return GNTST_bad_gntref;
  if ((entry->flags & GTF_type_mask) != GTF_permit_access || entry->domid != user)
    return GNTST_general_error;
  if (!readonly && (entry->flags & GTF_readonly)) return GNTST_general_error;
  mfn = mfn_t(entry->frame);
  if (!get_page(host, mfn, granter.domid)) return GNTST_bad_page;
  if (host.frame(mfn).special) {
    put_page(host, mfn);
    return GNTST_bad_page;
  }
  if (!readonly && get_page_type(host, mfn, PageType::writable)) {
    put_page(host, mfn);
    return GNTST_general_error;
  }
  granter.grants.pins[ref] += readonly ? 1 : kOneWritable;
  entry->flags |= GTF_reading;
  if (!readonly) entry->flags |= GTF_writing;
  return GNTST_okay;
}

void unpin_grant(Host& host, Domain* granter, uint32_t ref, bool readonly, mfn_t mfn) {
  if (!readonly) {
    mark_dirty(host, mfn);  // a writable mapping counts as written when it goes
    put_page_type(host, mfn);
  }
  put_page(host, mfn);
  if (!granter) return;
  uint32_t& pins = granter->grants.pins[ref];
  pins -= readonly ? 1 : kOneWritable;
  grant_entry_v1_t* entry = entry_of(host, *granter, ref);
  const uint16_t writing = GTF_writing, reading = GTF_reading;
  if (pins < kOneWritable) entry->flags = static_cast<uint16_t>(entry->flags & ~writing);
  if (pins == 0) entry->flags = static_cast<uint16_t>(entry->flags & ~reading);
}

int16_t map_ref(Host& host, Domain& caller, Vcpu& v, gnttab_map_grant_ref_t& op) {
  if (!(op.flags & GNTMAP_host_map)) return GNTST_bad_gntref;
  Domain* granter = host.find_domain(op.dom);
  if (!granter) return GNTST_bad_domain;
  const int handle = maptrack_slot(caller.grants);
  if (handle < 0) return GNTST_no_space;
  const bool readonly = op.flags & GNTMAP_readonly;
  const bool contains_pte = op.flags & GNTMAP_contains_pte;
  mfn_t mfn;
  const int16_t rc = pin_grant(host, *granter, caller.domid, op.ref, readonly, mfn);
  if (rc != GNTST_okay) return rc;
  const auto at = host_slot(host, caller, v, op.host_addr, contains_pte);
  if (!at) {
    unpin_grant(host, granter, op.ref, readonly, mfn);
    return GNTST_general_error;
  }
  uint64_t flags = kPtePresent | kPteAccessed | kPteDirty;
  flags |= op.flags & GNTMAP_application_map ? kPteUser | kPteGlobal : kPteUser | kPteGuestKernel;
  if (!readonly) flags |= kPteRw;
  uint64_t& entry = host.entries(at->table)[at->slot];
  const uint64_t old = entry;
  entry = make_pte(mfn, flags);
  mark_dirty(host, at->table);
  put_page_from_l1e(host, old);
  caller.grants.maptrack[handle] =
      Maptrack{1, 1, readonly, contains_pte, granter->domid, op.ref, mfn.raw(), op.host_addr};
  op.handle = static_cast<grant_handle_t>(handle);
  op.dev_bus_addr = mfn.raw() << kPageShift;
  return GNTST_okay;
}

int16_t unmap_ref(Host& host, Domain& caller, Vcpu& v, gnttab_unmap_grant_ref_t& op) {
  if (op.handle >= kMaxMaptrack || !caller.grants.maptrack[op.handle].used) return GNTST_bad_handle;
  Maptrack& map = caller.grants.maptrack[op.handle];
  if (op.host_addr) {
    const auto at = host_slot(host, caller, v, op.host_addr, map.contains_pte);
    if (!at) return GNTST_general_error;
    uint64_t& entry = host.entries(at->table)[at->slot];
    if (!pte_present(entry) || pte_mfn(entry).raw() != map.mfn) return GNTST_general_error;
    entry = 0;
    mark_dirty(host, at->table);
  }
  unpin_grant(host, host.find_domain(map.domain), map.ref, map.readonly, mfn_t(map.mfn));
  map = Maptrack{};
  return GNTST_okay;
}

// One side of a copy: a frame by number, or a grant of somebody's.
struct CopySide {
  Domain* domain = nullptr;
  mfn_t mfn;
  bool granted = false;
};

template <typename Pointer>
int16_t open_side(Host& host, Domain& caller, const Pointer& p, bool granted, bool readonly,
                  CopySide& side) {
  side.domain = p.domid == DOMID_SELF ? &caller : host.find_domain(p.domid);
  if (!side.domain) return GNTST_bad_domain;
  side.granted = granted;
  if (granted) return pin_grant(host, *side.domain, caller.domid, p.u.ref, readonly, side.mfn);
  if (side.domain != &caller && !caller.privileged) return GNTST_permission_denied;
  side.mfn = mfn_t(p.u.gmfn);
  if (!get_page(host, side.mfn, side.domain->domid)) return GNTST_bad_page;
  if (!readonly && get_page_type(host, side.mfn, PageType::writable)) {
    put_page(host, side.mfn);
    return GNTST_bad_page;
  }
  return GNTST_okay;
}

void close_side(Host& host, const CopySide& side, uint32_t ref, bool readonly) {
  if (side.granted) {
    unpin_grant(host, side.domain, ref, readonly, side.mfn);
  } else {
    if (!readonly) put_page_type(host, side.mfn);
    put_page(host, side.mfn);
  }
}

int16_t copy(Host& host, Domain& caller, const gnttab_copy_t& op) {
  if (op.source.offset + op.len > kPageSize || op.dest.offset + op.len > kPageSize)
    return GNTST_bad_copy_arg;
  CopySide from, to;
  int16_t rc = open_side(host, caller, op.source, op.flags & GNTCOPY_source_gref, true, from);
  if (rc != GNTST_okay) return rc;
  rc = open_side(host, caller, op.dest, op.flags & GNTCOPY_dest_gref, false, to);
  if (rc == GNTST_okay) {
    memmove(host.page(to.mfn) + op.dest.offset, host.page(from.mfn) + op.source.offset, op.len);
    mark_dirty(host, to.mfn);
    close_side(host, to, op.dest.u.ref, false);
  }
  close_side(host, from, op.source.u.ref, true);
  return rc;
}

int set_version(Domain& d, gnttab_set_version_t& op) {
  if (op.version != 1) return -EINVAL;  // version 2 is not offered, as with gnttab=max-ver:1
  d.grants.version = op.version;
  return 0;
}

void get_version(Host& host, Domain& caller, gnttab_get_version_t& op) {
  Domain* d = op.dom == DOMID_SELF ? &caller : host.find_domain(op.dom);
  if (d) op.version = d->grants.version;
}

}  // namespace

int set_up_grant_table(Host& host, Domain& d) {
  return grow(host, d, 1);
}

void release_grants(Host& host, Domain& d) {
  for (Maptrack& map : d.grants.maptrack) {
    if (!map.used) continue;
    unpin_grant(host, host.find_domain(map.domain), map.ref, map.readonly, mfn_t(map.mfn));
    map = Maptrack{};
  }
}

int grant_table_frame(Host& host, Domain& d, uint32_t index, mfn_t& mfn) {
  if (index >= d.grants.max_frames) return -EINVAL;
  if (int rc = grow(host, d, index + 1)) return rc;
  mfn = mfn_t(d.grants.mfns[index]);
  return 0;
}

int grant_table_op(Host& host, Domain& caller, uint32_t vcpu, uint32_t cmd, void* arg,
                   uint32_t count) {
  if (!arg) return -EFAULT;
  Vcpu& v = caller.vcpus[vcpu];
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
      for (uint32_t i = 0; i < count; ++i) {
        auto& op = static_cast<gnttab_map_grant_ref_t*>(arg)[i];
        op.status = map_ref(host, caller, v, op);
      }
      return 0;
    case GNTTABOP_unmap_grant_ref:
      for (uint32_t i = 0; i < count; ++i) {
        auto& op = static_cast<gnttab_unmap_grant_ref_t*>(arg)[i];
        op.status = unmap_ref(host, caller, v, op);
      }
      return 0;
    case GNTTABOP_setup_table:
      if (count != 1) return -EINVAL;
      setup_table(host, caller, *static_cast<gnttab_setup_table_t*>(arg));
      return 0;
    case GNTTABOP_copy:
      for (uint32_t i = 0; i < count; ++i) {
        auto& op = static_cast<gnttab_copy_t*>(arg)[i];
        op.status = copy(host, caller, op);
      }
      return 0;
    case GNTTABOP_query_size:
      if (count != 1) return -EINVAL;
      query_size(host, caller, *static_cast<gnttab_query_size_t*>(arg));
      return 0;
    case GNTTABOP_set_version:
      return set_version(caller, *static_cast<gnttab_set_version_t*>(arg));
    case GNTTABOP_get_version:
      get_version(host, caller, *static_cast<gnttab_get_version_t*>(arg));
      return 0;
    default:
      return -ENOSYS;
  }
}

}  // namespace ferry::sim
