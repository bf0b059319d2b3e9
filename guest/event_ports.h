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

  // After a resume. A VIRQ can be bound once: if it is, this is the old domain and all ports stand.
  void resume() {
    mask_all();
    bool same_domain = false;
    for (unsigned i = 0; i < nr_ && !same_domain; ++i)
      if (bindings_[i].kind == virq_kind) same_domain = !bind_again(bindings_[i]);
    for (unsigned i = 0; i < nr_ && !same_domain; ++i)
      if (bindings_[i].kind == ipi_kind && !bind_again(bindings_[i]))
        core_.machine.bug("inter-processor event lost in a resume");
    for (unsigned i = 0; i < nr_; ++i) unmask(bindings_[i].port);
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

  // False if it is bound already.
  bool bind_again(binding& b) {
    const int64_t result = bind(b);
    if (result < 0 && result != -abi::kEexist)
      core_.machine.bug("event channel cannot be bound again");
    return result >= 0;
  }

  guest_core<Machine>& core_;
  binding bindings_[kMaxBindings];
  unsigned nr_ = 0;
};

}  // namespace ferry
