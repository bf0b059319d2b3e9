// The event channels that a kernel binds for itself, and binds again after a resume.
// Freestanding-clean.
//
// Ports are the domain's: a new domain has none but the console's and xenstore's, which are the
// toolstack's work, and all of them are masked. So after a resume every timer and inter-processor
// event gets another port.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/core.h"

namespace ferry {

template <guest_machine Machine>
class event_ports {
 public:
  static constexpr unsigned kMaxBindings = 8 * Machine::kMaxCpus;
  static constexpr uint32_t kNoPort = ~uint32_t{0};

  explicit event_ports(guest_core<Machine>& core) : core_(core) {}

  // A handle, whose port can change with a resume; -1 if Xen refuses or there are too many.
  int bind_virq(uint32_t virq, unsigned cpu) { return add({virq_kind, virq, cpu, kNoPort}); }
  int bind_ipi(unsigned cpu) { return add({ipi_kind, 0, cpu, kNoPort}); }
  uint32_t port_of(int handle) const { return bindings_[handle].port; }

  void mask_all() {
    for (uint64_t word = 0; word < abi::kEvtchnWords; ++word)
      core_.machine.store(core_.shared_info_va + abi::kSharedInfoEvtchnMask + 8 * word,
                          ~uint64_t{0});
  }
  void unmask(uint32_t port) {
    const abi::evtchn_port request{port};
    core_.must(op(abi::kEvtchnopUnmask, &request), "event channel cannot be unmasked");
  }

  // After a resume. If the toolstack let the same domain go on without telling, all ports stand: a
  // second binding of a VIRQ would be refused, and one of an IPI leak the first.
  void resume() {
    mask_all();
    const bool same_domain = nr_ != 0 && stands(bindings_[0]);
    for (unsigned i = 0; i < nr_; ++i) {
      if (!same_domain) core_.must(bind(bindings_[i]), "event channel cannot be bound again");
      unmask(bindings_[i].port);
    }
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(bindings_), visit(nr_);
  }

 private:
  enum kind_t : uint8_t { virq_kind, ipi_kind };
  struct binding {
    kind_t kind;
    uint32_t virq;
    uint32_t cpu;
    uint32_t port;
  };

  int64_t op(uint64_t cmd, const void* argument) {
    return core_.machine.hypercall(abi::kEventChannelOp, cmd, reinterpret_cast<uint64_t>(argument),
                                   0, 0, 0);
  }

  int64_t bind(binding& b) {
    int64_t result;
    if (b.kind == virq_kind) {
      abi::evtchn_bind_virq request{b.virq, b.cpu, 0};
      result = op(abi::kEvtchnopBindVirq, &request);
      if (result >= 0) b.port = request.port;
    } else {
      abi::evtchn_bind_ipi request{b.cpu, 0};
      result = op(abi::kEvtchnopBindIpi, &request);
      if (result >= 0) b.port = request.port;
    }
    return result;
  }

  int add(binding b) {
    if (nr_ == kMaxBindings || bind(b) < 0) return -1;
    bindings_[nr_] = b;
    unmask(b.port);
    return static_cast<int>(nr_++);
  }

  // In a new domain no port is an IPI's or a VIRQ's yet.
  bool stands(const binding& b) {
    abi::evtchn_status status{};
    status.dom = static_cast<uint16_t>(abi::kDomidSelf);
    status.port = b.port;
    if (op(abi::kEvtchnopStatus, &status) != 0) return false;
    return status.status == (b.kind == virq_kind ? abi::kEvtchnstatVirq : abi::kEvtchnstatIpi);
  }

  guest_core<Machine>& core_;
  binding bindings_[kMaxBindings];
  unsigned nr_ = 0;
};

}  // namespace ferry
