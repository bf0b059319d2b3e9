// Event channels of a guest, and what it asks of the scheduler.
#pragma once

#include "kernel/rules.h"

namespace ferry {

template <typename Book, typename Argument>
int64_t event_op(Book& b, unsigned command, Argument& argument) {
  return b.call(__HYPERVISOR_event_channel_op, command, Book::address(argument));
}
template <typename Book>
int64_t send(Book& b, uint32_t port) {
  evtchn_send_t op{port};
  return event_op(b, EVTCHNOP_send, op);
}
template <typename Book>
int64_t close(Book& b, uint32_t port) {
  evtchn_close_t op{port};
  return event_op(b, EVTCHNOP_close, op);
}
template <typename Book>
int64_t bind_virq(Book& b, uint32_t virq, uint32_t vcpu, uint32_t* port = nullptr) {
  evtchn_bind_virq_t op{virq, vcpu, 0};
  const int64_t result = event_op(b, EVTCHNOP_bind_virq, op);
  if (port != nullptr) *port = op.port;
  return result;
}
template <typename Book>
int64_t bind_ipi(Book& b, uint32_t vcpu, uint32_t* port) {
  evtchn_bind_ipi_t op{vcpu, 0};
  const int64_t result = event_op(b, EVTCHNOP_bind_ipi, op);
  *port = op.port;
  return result;
}
template <typename Book>
int64_t bind_vcpu(Book& b, uint32_t port, uint32_t vcpu) {
  evtchn_bind_vcpu_t op{port, vcpu};
  return event_op(b, EVTCHNOP_bind_vcpu, op);
}
template <typename Book>
int64_t unmask(Book& b, uint32_t port) {
  evtchn_unmask_t op{port};
  return event_op(b, EVTCHNOP_unmask, op);
}
template <typename Book>
int64_t offer(Book& b, uint16_t to, uint32_t* port, uint16_t of = DOMID_SELF) {
  evtchn_alloc_unbound_t op{of, to, 0};
  const int64_t result = event_op(b, EVTCHNOP_alloc_unbound, op);
  *port = op.port;
  return result;
}

// What a port is, and on which vCPU: status * 16 + vcpu.
template <typename Book>
uint64_t status(Book& b, uint32_t port) {
  evtchn_status_t op{};
  op.dom = DOMID_SELF;
  op.port = port;
  return event_op(b, EVTCHNOP_status, op) == 0 ? op.status * 16 + op.vcpu : ~uint64_t{0};
}

// What shared_info and this vCPU's vcpu_info say of a port: pending, masked, its word selected, the
// vCPU called. It is cleared for the next look.
template <typename Book>
uint64_t waiting(Book& b, uint32_t port) {
  auto& m = b.machine();
  const uint64_t shared = b.half().core.shared_info_va, info = b.half().cpus.info_va(0);
  const uint64_t word = 8 * (port / 64), bit = port % 64;
  const uint64_t pending_at = shared + __builtin_offsetof(shared_info_t, evtchn_pending) + word;
  const uint64_t mask = m.load(shared + __builtin_offsetof(shared_info_t, evtchn_mask) + word);
  const uint64_t pending = m.load(pending_at);
  const uint64_t selector = m.load(info + __builtin_offsetof(vcpu_info_t, evtchn_pending_sel));
  const uint64_t called = m.load(info) & 0xff;
  m.store(pending_at, pending & ~(uint64_t{1} << bit));
  m.store(info + __builtin_offsetof(vcpu_info_t, evtchn_pending_sel), 0);
  m.store_byte(info, 0);
  return (pending >> bit & 1) << 12 | (mask >> bit & 1) << 8 | (selector >> (port / 64) & 1) << 4 |
         called;
}
template <typename Book>
void mask(Book& b, uint32_t port) {
  const uint64_t at = b.half().core.shared_info_va +
                      __builtin_offsetof(shared_info_t, evtchn_mask) + 8 * (port / 64);
  b.machine().store(at, b.machine().load(at) | uint64_t{1} << port % 64);
}

template <typename Book>
void ipi_rules(Book& b) {
  uint32_t port = 0, other = 0;
  b.says("ipi.no_such_vcpu", bind_ipi(b, 127, &port));
  b.says("ipi.bind", bind_ipi(b, 0, &port));
  b.reads("ipi.status", status(b, port));
  b.says("ipi.bind_another", bind_ipi(b, 0, &other));
  b.reads("ipi.is_another", other != port);
  b.says("ipi.of_spare", bind_ipi(b, b.spare, &other));
  b.reads("ipi.of_spare.status", status(b, other) - b.spare);
  waiting(b, port);
  mask(b, port);
  b.says("ipi.send_masked", send(b, port));
  b.reads("ipi.send_masked.waits", waiting(b, port));
  b.says("ipi.unmask", unmask(b, port));
  b.reads("ipi.unmask.waits", waiting(b, port));
  b.says("ipi.send", send(b, port));
  b.reads("ipi.send.waits", waiting(b, port));
  mask(b, port);
  send(b, port);
  b.says("ipi.unmask_pending", unmask(b, port));
  b.reads("ipi.unmask_pending.waits", waiting(b, port));
  b.says("ipi.move", bind_vcpu(b, port, b.spare));
  b.says("ipi.close", close(b, port));
  b.says("ipi.close_again", close(b, port));
  b.reads("ipi.closed.status", status(b, port));
  b.says("ipi.send_closed", send(b, port));
  b.says("ipi.unmask_closed", unmask(b, port));
  send(b, other);
  b.says("ipi.close_pending", close(b, other));
}

template <typename Book>
void virq_rules(Book& b) {
  uint32_t port = 0;
  b.says("virq.timer_again", bind_virq(b, VIRQ_TIMER, 0));
  b.says("virq.debug", bind_virq(b, VIRQ_DEBUG, 0, &port));
  b.reads("virq.debug.status", status(b, port));
  b.says("virq.debug_again", bind_virq(b, VIRQ_DEBUG, 0));
  b.says("virq.debug_of_spare", bind_virq(b, VIRQ_DEBUG, b.spare));
  b.says("virq.send", send(b, port));
  b.says("virq.move", bind_vcpu(b, port, b.spare));
  b.says("virq.close", close(b, port));
  b.says("virq.debug_then", bind_virq(b, VIRQ_DEBUG, 0));
  b.says("virq.none", bind_virq(b, NR_VIRQS, 0));
  b.says("virq.no_such_vcpu", bind_virq(b, VIRQ_DEBUG, 127));
  b.says("virq.console", bind_virq(b, VIRQ_CONSOLE, 0));
  b.says("virq.console_of_spare", bind_virq(b, VIRQ_CONSOLE, b.spare));
  b.says("virq.domain_exception", bind_virq(b, VIRQ_DOM_EXC, 0));
}

// The suspend port is one that the guest offers to domain 0.
template <typename Book>
void port_rules(Book& b) {
  uint32_t suspend = 0, open = 0, port = 0;
  b.says("port.suspend", offer(b, 0, &suspend));
  b.reads("port.suspend.status", status(b, suspend));
  b.says("port.suspend.send", send(b, suspend));
  b.reads("port.suspend.waits", waiting(b, suspend) & 0x1000);
  b.says("port.suspend.move", bind_vcpu(b, suspend, b.spare));
  b.reads("port.suspend.moved", status(b, suspend) - b.spare);
  b.says("port.suspend.move_to_none", bind_vcpu(b, suspend, 127));
  b.says("port.suspend.close", close(b, suspend));
  b.says("port.to_nobody", offer(b, kNoSuchDomain, &port));
  b.says("port.of_domain_0", offer(b, DOMID_SELF, &port, 0));
  b.says("port.of_nobody", offer(b, DOMID_SELF, &port, kNoSuchDomain));

  b.says("port.to_self", offer(b, DOMID_SELF, &open));
  evtchn_bind_interdomain_t bind{};
  bind.remote_dom = DOMID_SELF;
  bind.remote_port = open;
  b.says("port.bind", event_op(b, EVTCHNOP_bind_interdomain, bind));
  port = bind.local_port;
  b.reads("port.bind.status", status(b, port));
  b.reads("port.bind.offered_status", status(b, open));
  b.reads("port.bind.waits", waiting(b, port) & 0x1000);
  b.says("port.send", send(b, port));
  b.reads("port.send.own_waits", waiting(b, port) & 0x1000);
  b.reads("port.send.other_waits", waiting(b, open) & 0x1000);
  b.says("port.bind_again", event_op(b, EVTCHNOP_bind_interdomain, bind));
  b.says("port.close", close(b, port));
  b.reads("port.close.status", status(b, port));
  b.reads("port.close.offered_status", status(b, open));
  bind.remote_port = 1000;
  b.says("port.bind_closed", event_op(b, EVTCHNOP_bind_interdomain, bind));
  bind.remote_dom = kNoSuchDomain;
  b.says("port.bind_nobody", event_op(b, EVTCHNOP_bind_interdomain, bind));
  b.says("port.send_none", send(b, 0));
  b.says("port.send_beyond", send(b, 1 << 20));
  b.says("port.close_none", close(b, 0));
  b.says("port.close_beyond", close(b, 1 << 20));
  b.says("port.unmask_beyond", unmask(b, 1 << 20));
  evtchn_status_t of{};
  const auto ask = [&](const char* name, uint16_t domid, uint32_t which) {
    of.dom = domid;
    of.port = which;
    b.says(name, event_op(b, EVTCHNOP_status, of));
  };
  ask("port.status_of_domain_0", 0, 1);
  ask("port.status_of_nobody", kNoSuchDomain, 1);
  ask("port.status_beyond", DOMID_SELF, 1 << 20);
  evtchn_set_priority_t priority{open, 3};
  b.says("port.priority", event_op(b, EVTCHNOP_set_priority, priority));
  b.says("port.unknown", event_op(b, 60, of));
}

template <typename Book>
void scheduler_rules(Book& b) {
  uint32_t port = 0;
  bind_ipi(b, 0, &port);
  mask(b, port);
  const auto op = [&](unsigned command, auto& argument) {
    return b.call(__HYPERVISOR_sched_op, command, Book::address(argument));
  };
  sched_poll_t poll{};
  evtchn_port_t ports[1] = {port};
  poll.ports.p = ports;
  poll.nr_ports = 1;
  send(b, port);
  b.says("sched.yield", b.call(__HYPERVISOR_sched_op, SCHEDOP_yield));
  b.says("sched.poll_pending", op(SCHEDOP_poll, poll));
  poll.timeout = 1;  // long past
  waiting(b, port);
  b.says("sched.poll_until_past", op(SCHEDOP_poll, poll));
  ports[0] = 1 << 20;
  b.says("sched.poll_beyond", op(SCHEDOP_poll, poll));
  poll.nr_ports = 129;
  b.says("sched.poll_too_many", op(SCHEDOP_poll, poll));
  sched_remote_shutdown_t remote{};
  remote.reason = SHUTDOWN_poweroff;
  remote.domain_id = kNoSuchDomain;
  b.says("sched.shut_down_nobody", op(SCHEDOP_remote_shutdown, remote));
  remote.domain_id = 0;
  b.says("sched.shut_down_domain_0", op(SCHEDOP_remote_shutdown, remote));
  b.says("sched.unknown", op(60, remote));
}

}  // namespace ferry
