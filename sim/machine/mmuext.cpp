// mmuext_op: pinning, loading of address spaces, cache and TLB operations, page copies.
#include <cerrno>
#include <cstring>

#include "sim/machine/log_dirty.h"
#include "sim/machine/mmu.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"
#include "sim/machine/release.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

int pin(Host& host, const Domain& d, mfn_t mfn, PageType type) {
  if (int rc = get_page_and_type(host, mfn, d.domid, type)) return rc;
  Frame& f = host.frame(mfn);
  if (f.pinned) {
    put_page_and_type(host, mfn);
    return -EINVAL;
  }
  f.pinned = 1;
  mark_dirty(host, mfn);
  return 0;
}

int unpin(Host& host, const Domain& d, mfn_t mfn) {
  if (!get_page(host, mfn, d.domid)) return -EINVAL;
  Frame& f = host.frame(mfn);
  if (!f.pinned) {
    put_page(host, mfn);
    return -EINVAL;
  }
  f.pinned = 0;
  put_page_and_type(host, mfn);
  mark_dirty(host, mfn);
  put_page(host, mfn);
  return 0;
}

int load_kernel_base(Host& host, const Domain& d, Vcpu& v, mfn_t mfn) {
  if (v.guest_table == mfn.raw()) return 0;
  if (int rc = get_page_and_type(host, mfn, d.domid, PageType::l4)) return rc;
  if (!hides_m2p(d)) show_m2p(host, mfn, true);
  const uint64_t old = v.guest_table;
  v.guest_table = mfn.raw();
  if (old) put_page_and_type(host, mfn_t(old));
  return 0;
}

int load_user_base(Host& host, const Domain& d, Vcpu& v, mfn_t mfn) {
  if (v.guest_table_user == mfn.raw()) return 0;
  if (mfn.raw()) {
    if (int rc = get_page_and_type(host, mfn, d.domid, PageType::l4)) return rc;
    if (hides_m2p(d)) show_m2p(host, mfn, false);
  }
  const uint64_t old = v.guest_table_user;
  v.guest_table_user = mfn.raw();
  if (old) put_page_and_type(host, mfn_t(old));
  return 0;
}

// CLEAR_PAGE, and COPY_PAGE when there is a source.
int write_page(Host& host, const Domain& d, mfn_t to, const mfn_t* from) {
  if (from && !get_page(host, *from, d.domid)) return -EINVAL;
  int rc = -EINVAL;
  if (get_page_and_type(host, to, d.domid, PageType::writable) == 0) {
    mark_dirty(host, to);
    if (from)
      memmove(host.page(to), host.page(*from), kPageSize);
    else
      memset(host.page(to), 0, kPageSize);
    put_page_and_type(host, to);
    rc = 0;
  }
  if (from) put_page(host, *from);
  return rc;
}

int set_ldt(Vcpu& v, uint64_t base, uint32_t entries) {
  if ((base & (kPageSize - 1)) || entries > 8192 || !is_guest_address(base)) return -EINVAL;
  v.context.ldt_ents = entries;
  v.context.ldt_base = entries ? base : 0;
  return 0;
}

int one_op(Host& host, Domain& caller, Domain& d, Vcpu& v, const mmuext_op_t& op) {
  const bool own = &caller == &d;
  const mfn_t mfn(op.arg1.mfn);
  switch (op.cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
      return pin(host, d, mfn, table_type(op.cmd - MMUEXT_PIN_L1_TABLE + 1));
    case MMUEXT_UNPIN_TABLE:
      return unpin(host, d, mfn);
    case MMUEXT_NEW_BASEPTR:
      return own ? load_kernel_base(host, d, v, mfn) : -EPERM;
    case MMUEXT_NEW_USER_BASEPTR:
      return own ? load_user_base(host, d, v, mfn) : -EPERM;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
      if (own && is_xens_address(reinterpret_cast<uint64_t>(op.arg2.vcpumask.p))) return -EINVAL;
      [[fallthrough]];
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
      return own ? 0 : -EPERM;
    case MMUEXT_FLUSH_CACHE:
      return own ? -EACCES : -EPERM;  // no guest here owns a device
    case MMUEXT_FLUSH_CACHE_GLOBAL:
      return own ? release().flush_all_caches : -EPERM;
    case MMUEXT_SET_LDT:
      return own ? set_ldt(v, op.arg1.linear_addr, op.arg2.nr_ents) : -EPERM;
    case MMUEXT_CLEAR_PAGE:
      return write_page(host, d, mfn, nullptr);
    case MMUEXT_COPY_PAGE: {
      const mfn_t source(op.arg2.src_mfn);
      return write_page(host, d, mfn, &source);
    }
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
      return -EOPNOTSUPP;
    default:
      return -ENOSYS;
  }
}

}  // namespace

int mmuext_op(Host& host, Domain& caller, uint32_t vcpu, const mmuext_op_t* ops, uint32_t count,
              uint32_t* done, uint32_t foreign) {
  if (vcpu >= caller.max_vcpus) return -EINVAL;
  Domain* d = &caller;
  if (foreign != DOMID_SELF) {
    d = foreign == caller.domid ? nullptr : host.find_domain(static_cast<DomainNumber>(foreign));
    if (!d) return -ESRCH;
    if (!caller.privileged) return -EPERM;
  }
  if (count && !ops) return -EFAULT;
  int rc = 0;
  uint32_t i = 0;
  for (; i < count && rc == 0; ++i) rc = one_op(host, caller, *d, caller.vcpus[vcpu], ops[i]);
  if (done) *done = rc ? i - 1 : i;
  return rc;
}

}  // namespace ferry::sim
