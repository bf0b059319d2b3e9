// Xen's own log of the pages that a guest writes.
#include "xen/log_dirty.h"

#include <cerrno>

#include "xen/hypercall_buffer.h"

namespace ferry {
namespace {

// A guest whose log stays on runs slowly until somebody turns it off.
constexpr int kTriesToTurnOff = 3;

size_t words_for(uint64_t nr_pfns) {
  return (nr_pfns + 63) / 64;
}

void turn_off(Domctl& off) {
  for (int tries = 0; tries < kTriesToTurnOff; ++tries) {
    off.op().u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_OFF;
    if (off.call() == 0) return;
  }
}

}  // namespace

struct LogDirty::State {
  State(const Hypervisor& hypervisor, domid_t domain, uint64_t pfns)
      : xen(hypervisor),
        domid(domain),
        nr_pfns(pfns),
        bits(hypervisor, words_for(pfns) * 8),
        off(hypervisor, domain, XEN_DOMCTL_shadow_op) {}

  // 0 or an errno.
  int control(uint32_t op) const {
    Domctl domctl(xen, domid, XEN_DOMCTL_shadow_op);
    domctl.op().u.shadow_op.op = op;
    return domctl.call() == 0 ? 0 : errno;
  }

  const Hypervisor& xen;
  const domid_t domid;
  const uint64_t nr_pfns;
  HypercallBuffer bits;
  Domctl off;  // made beforehand: turning the log off must not need memory that is not there
};

LogDirty::LogDirty(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns)
    : state_(std::make_unique<State>(xen, domid, nr_pfns)) {
  int os_errno = state_->control(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
  // Somebody who was killed may have left it on.
  if (os_errno == EINVAL) {
    state_->control(XEN_DOMCTL_SHADOW_OP_OFF);
    os_errno = state_->control(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
  }
  if (os_errno == 0) return;
  const Errc code = os_errno == ENOMEM ? Errc::no_memory : Errc::unsupported;
  fail_errno(code, os_errno, fmt::format("Xen cannot log what domain {} writes", raw(domid)));
}

LogDirty::~LogDirty() {
  turn_off(state_->off);
}

std::span<const uint64_t> LogDirty::clean(bool last) {
  Domctl domctl(state_->xen, state_->domid, XEN_DOMCTL_shadow_op);
  auto& op = domctl.op().u.shadow_op;
  op.op = XEN_DOMCTL_SHADOW_OP_CLEAN;
  op.mode = last ? XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL : 0;
  op.pages = state_->nr_pfns;
  op.dirty_bitmap.p = state_->bits.as<uint8_t>();
  if (domctl.call() != 0) fail_xen("tell what the guest wrote");
  if (op.pages != state_->nr_pfns)
    fail(Errc::internal, "Xen told what the guest wrote in {} pages of {}",
         static_cast<uint64_t>(op.pages), state_->nr_pfns);
  return {state_->bits.as<const uint64_t>(), words_for(state_->nr_pfns)};
}

void stop_log_dirty(const Hypervisor& xen, domid_t domid) noexcept {
  try {
    Domctl off(xen, domid, XEN_DOMCTL_shadow_op);
    turn_off(off);
  } catch (const Error&) {
    // No memory for the question: the guest is slow until the next live save of it.
  }
}

}  // namespace ferry
