// Xen's own log of the pages that a guest writes.
#include "xen/log_dirty.h"

#include <cerrno>

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

LogDirty::LogDirty(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns)
    : xen_(xen),
      domid_(domid),
      nr_pfns_(nr_pfns),
      bits_(xen, words_for(nr_pfns) * 8),
      off_(xen, domid, XEN_DOMCTL_shadow_op) {
  int os_errno = control(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
  // Somebody who was killed may have left it on.
  if (os_errno == EINVAL) {
    control(XEN_DOMCTL_SHADOW_OP_OFF);
    os_errno = control(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
  }
  if (os_errno == 0) return;
  const Errc code = os_errno == ENOMEM ? Errc::no_memory : Errc::unsupported;
  fail_errno(code, os_errno, fmt::format("Xen cannot log what domain {} writes", raw(domid)));
}

LogDirty::~LogDirty() {
  turn_off(off_);
}

int LogDirty::control(uint32_t op) {
  Domctl domctl(xen_, domid_, XEN_DOMCTL_shadow_op);
  domctl.op().u.shadow_op.op = op;
  return domctl.call() == 0 ? 0 : errno;
}

std::span<const uint64_t> LogDirty::clean(bool last) {
  Domctl domctl(xen_, domid_, XEN_DOMCTL_shadow_op);
  auto& op = domctl.op().u.shadow_op;
  op.op = XEN_DOMCTL_SHADOW_OP_CLEAN;
  op.mode = last ? XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL : 0;
  op.pages = nr_pfns_;
  op.dirty_bitmap.p = bits_.as<uint8_t>();
  if (domctl.call() != 0) fail_xen("tell what the guest wrote");
  if (op.pages != nr_pfns_)
    fail(Errc::internal, "Xen told what the guest wrote in {} pages of {}",
         static_cast<uint64_t>(op.pages), nr_pfns_);
  return {bits_.as<const uint64_t>(), words_for(nr_pfns_)};
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
