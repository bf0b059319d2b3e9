// The log of written pages and XEN_DOMCTL_shadow_op.
#include "sim/machine/log_dirty.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/machine/frame_pool.h"
#include "sim/machine/release.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kLeafPfns = 32768;  // Xen logs in pages of bits and clears whole ones

void clear_log(Host& host, Domain& d, uint64_t pfns) {
  const uint64_t end = std::min((pfns + kLeafPfns - 1) / kLeafPfns * kLeafPfns,
                                std::max(d.log_dirty.highest_marked, uint64_t{64}));
  memset(host.dirty_bitmap(d), 0, (end + 63) / 64 * 8);
}

int enable(Host& host, Domain& d) {
  if (d.log_dirty.enabled) return -EINVAL;
  if (!host.state().shadow_paging) return -EOPNOTSUPP;
  clear_log(host, d, kMaxTrackedPfn);
  d.log_dirty = LogDirty{};
  d.log_dirty.enabled = 1;
  if (d.paging_pool_bytes == 0) d.paging_pool_bytes = 4 << 20;
  return 0;
}

int disable(Host& host, Domain& d) {
  if (d.log_dirty.enabled) clear_log(host, d, kMaxTrackedPfn);
  d.log_dirty = LogDirty{};
  return 0;
}

int read_log(Host& host, Domain& d, xen_domctl_shadow_op& op) {
  const bool clean = op.op == XEN_DOMCTL_SHADOW_OP_CLEAN;
  op.stats.fault_count = static_cast<uint32_t>(d.log_dirty.fault_count);
  op.stats.dirty_count = static_cast<uint32_t>(d.log_dirty.dirty_count);
  if (d.log_dirty.failed_allocation) return -ENOMEM;
  if (op.dirty_bitmap.p && op.pages) {
    const uint64_t bytes = (op.pages + 7) / 8;
    const uint64_t logged = std::min(bytes, kMaxTrackedPfn / 8);
    const uint64_t touched =
        d.log_dirty.enabled ? std::min(logged, (d.log_dirty.highest_marked + 7) / 8) : 0;
    memcpy(op.dirty_bitmap.p, host.dirty_bitmap(d), touched);
    memset(op.dirty_bitmap.p + touched, 0, bytes - touched);
  }
  if (clean) {
    if (d.log_dirty.enabled) clear_log(host, d, op.pages);
    d.log_dirty.fault_count = 0;
    d.log_dirty.dirty_count = 0;
  }
  return 0;
}

}  // namespace

void mark_pfn_dirty(Host& host, Domain& d, uint64_t pfn) {
  if (!d.log_dirty.enabled || pfn >= kMaxTrackedPfn) return;
  uint64_t& word = host.dirty_bitmap(d)[pfn / 64];
  const uint64_t bit = uint64_t{1} << (pfn % 64);
  if (word & bit) return;
  word |= bit;
  ++d.log_dirty.dirty_count;
  d.log_dirty.highest_marked = std::max(d.log_dirty.highest_marked, pfn + 1);
}

void mark_dirty(Host& host, mfn_t mfn) {
  Domain* owner = host.find_domain(host.frame(mfn).owner);
  if (owner && owner->log_dirty.enabled) mark_pfn_dirty(host, *owner, host.m2p(mfn));
}

int shadow_op(Host& host, Domain& caller, Domain& d, xen_domctl_shadow_op& op) {
  if (&caller == &d) return -EINVAL;
  if (d.dying) return release().shadow_op_on_dying;
  if (d.max_vcpus == 0 || !d.vcpus[0].exists) return -EINVAL;
  const bool shadow = host.state().shadow_paging;
  switch (op.op) {
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
      if (!(op.mode & XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY)) return -EINVAL;
      [[fallthrough]];
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
      return enable(host, d);
    case XEN_DOMCTL_SHADOW_OP_OFF:
      disable(host, d);
      return shadow ? 0 : -EINVAL;  // what a hypervisor without shadow paging says
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
      if (op.mode & ~static_cast<uint32_t>(XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL)) return -EINVAL;
      return read_log(host, d, op);
    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
      if (!shadow) return -EINVAL;
      op.mb = static_cast<uint32_t>(d.paging_pool_bytes >> 20);
      return 0;
    case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
      if (!shadow) return -EINVAL;
      d.paging_pool_bytes = uint64_t{op.mb} << 20;
      return 0;
    default:
      return -EINVAL;
  }
}

void forget_dirty_log(Host& host, Domain& d) {
  disable(host, d);
}

}  // namespace ferry::sim
