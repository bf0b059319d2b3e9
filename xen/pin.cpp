// Pinning page tables: asking Xen to validate a tree of tables and to keep it valid.
#include "xen/pin.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "xen/xen_headers.h"

namespace ferry {
namespace {

bool pin_batch(const Hypervisor& xen, domid_t domid, std::span<const Pin> pins) {
  std::vector<mmuext_op> ops(pins.size());
  for (size_t i = 0; i < pins.size(); ++i) {
    // MMUEXT_PIN_L1_TABLE to MMUEXT_PIN_L4_TABLE are 0 to 3.
    ops[i].cmd = MMUEXT_PIN_L1_TABLE + static_cast<unsigned>(pins[i].level - 1);
    ops[i].arg1.mfn = pins[i].mfn.raw();
  }
  return xc_mmuext_op(xen.xch(), ops.data(), static_cast<unsigned>(ops.size()), raw(domid)) >= 0;
}

bool unpin(const Hypervisor& xen, domid_t domid, mfn_t mfn) {
  mmuext_op op = {};
  op.cmd = MMUEXT_UNPIN_TABLE;
  op.arg1.mfn = mfn.raw();
  return xc_mmuext_op(xen.xch(), &op, 1, raw(domid)) >= 0;
}

// xc_mmuext_op does not say how far a batch came, but Xen stopped at the first refusal. A pin that
// was done can be undone; one that was not cannot: that tells them apart without pinning anything
// twice. Nothing if all are pinned in the end: then the batch had met a passing trouble.
std::optional<RefusedPin> find_refused(const Hypervisor& xen, domid_t domid,
                                       std::span<const Pin> pins) {
  for (size_t i = 0; i < pins.size(); ++i) {
    if (!unpin(xen, domid, pins[i].mfn)) {
      if (pin_batch(xen, domid, pins.subspan(i, 1))) continue;
      return RefusedPin{i, errno};
    }
    if (!pin_batch(xen, domid, pins.subspan(i, 1))) return RefusedPin{i, errno};
  }
  return std::nullopt;
}

}  // namespace

std::optional<RefusedPin> pin_tables(const Hypervisor& xen, domid_t domid,
                                     std::span<const Pin> pins) {
  for (size_t done = 0; done < pins.size();) {
    auto batch = pins.subspan(done, std::min(pins.size() - done, kMaxPinBatch));
    if (!pin_batch(xen, domid, batch)) {
      if (auto refused = find_refused(xen, domid, batch)) {
        refused->index += done;
        return refused;
      }
    }
    done += batch.size();
  }
  return std::nullopt;
}

}  // namespace ferry
