// The dispatcher.
#include "sim/machine/hypercall.h"

#include <cerrno>

#include "sim/machine/domctl.h"
#include "sim/machine/event_channels.h"
#include "sim/machine/grants.h"
#include "sim/machine/memory_ops.h"
#include "sim/machine/mmu.h"
#include "sim/machine/vcpu_calls.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

template <typename T>
T* pointer(uint64_t arg) {
  return reinterpret_cast<T*>(arg);
}

long multicall(Host& host, Caller caller, multicall_entry_t* entries, uint32_t count) {
  if (count && !entries) return -EFAULT;
  for (uint32_t i = 0; i < count; ++i) {
    multicall_entry_t& e = entries[i];
    uint64_t args[5];
    for (unsigned n = 0; n < 5; ++n) args[n] = e.args[n];
    const auto op = static_cast<unsigned>(e.op);
    const int os_errno = caller.domid == 0 ? 0 : host.begin_call(kind_of(op, args), caller.domid);
    // A failed entry does not keep the later ones from running.
    e.result = static_cast<xen_ulong_t>(os_errno ? -long{os_errno}
                                                 : hypercall_locked(host, caller, op, args));
  }
  return 0;
}

CallKind kind_of_domctl(const xen_domctl* op) {
  switch (op ? op->cmd : 0) {
    case XEN_DOMCTL_createdomain:
      return CallKind::domctl_create;
    case XEN_DOMCTL_getdomaininfo:
    case XEN_DOMCTL_getvcpuinfo:
    case XEN_DOMCTL_get_address_size:
    case XEN_DOMCTL_gettscinfo:
      return CallKind::domctl_info;
    case XEN_DOMCTL_getpageframeinfo3:
      return CallKind::domctl_page_types;
    case XEN_DOMCTL_shadow_op:
      return CallKind::domctl_shadow;
    case XEN_DOMCTL_getvcpucontext:
    case XEN_DOMCTL_get_ext_vcpucontext:
    case XEN_DOMCTL_getvcpuextstate:
    case XEN_DOMCTL_get_vcpu_msrs:
      return CallKind::domctl_vcpu_get;
    case XEN_DOMCTL_setvcpucontext:
    case XEN_DOMCTL_set_ext_vcpucontext:
    case XEN_DOMCTL_setvcpuextstate:
    case XEN_DOMCTL_set_vcpu_msrs:
      return CallKind::domctl_vcpu_set;
    case XEN_DOMCTL_get_cpu_policy:
    case XEN_DOMCTL_set_cpu_policy:
      return CallKind::domctl_policy;
    default:
      return CallKind::domctl_life;
  }
}

CallKind kind_of_memory_op(uint64_t command) {
  return command == XENMEM_populate_physmap || command == XENMEM_increase_reservation
             ? CallKind::memory_populate
             : CallKind::memory_other;
}

// A call that the fault plan picked. memory_op's reservations cannot fail as a whole: they do less.
long failing_call(Host& host, Caller caller, unsigned op, const uint64_t args[5], int os_errno) {
  auto* e = op == __HYPERVISOR_multicall ? pointer<multicall_entry_t>(args[0]) : nullptr;
  if (!e || args[1] != 1) return -os_errno;
  e->result = static_cast<xen_ulong_t>(-long{os_errno});
  if (e->op != __HYPERVISOR_memory_op || !e->args[1]) return 0;
  switch (e->args[0]) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap: {
      auto& r = *pointer<xen_memory_reservation_t>(e->args[1]);
      const xen_ulong_t asked = r.nr_extents;
      r.nr_extents = asked / 2;
      multicall(host, caller, e, 1);
      r.nr_extents = asked;
      return 0;
    }
    default:
      return 0;
  }
}

}  // namespace

CallKind kind_of(unsigned op, const uint64_t args[5]) {
  switch (op) {
    case __HYPERVISOR_domctl:
      return kind_of_domctl(pointer<xen_domctl>(args[0]));
    case __HYPERVISOR_sysctl:
      return CallKind::sysctl;
    case __HYPERVISOR_xen_version:
      return CallKind::version;
    case __HYPERVISOR_memory_op:
      return kind_of_memory_op(args[0]);
    case __HYPERVISOR_multicall: {
      // libxenctrl sends memory_op as a multicall of one entry: that entry is the call.
      const auto* e = pointer<multicall_entry_t>(args[0]);
      if (args[1] != 1 || !e) return CallKind::other_hypercall;
      const uint64_t inner[5] = {e->args[0], e->args[1], e->args[2], e->args[3], e->args[4]};
      return e->op == __HYPERVISOR_multicall ? CallKind::other_hypercall
                                             : kind_of(static_cast<unsigned>(e->op), inner);
    }
    case __HYPERVISOR_mmu_update:
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
      return CallKind::mmu_update;
    case __HYPERVISOR_mmuext_op:
      return CallKind::mmuext_op;
    case __HYPERVISOR_event_channel_op:
      return CallKind::event_channel;
    case __HYPERVISOR_grant_table_op:
      return CallKind::grant_table;
    case __HYPERVISOR_sched_op:
      return CallKind::sched_op;
    default:
      return CallKind::other_hypercall;
  }
}

long hypercall_locked(Host& host, Caller caller, unsigned op, const uint64_t args[5]) {
  Domain* d = host.find_domain(caller.domid);
  if (!d || caller.vcpu >= d->max_vcpus) return -ESRCH;
  Vcpu& v = d->vcpus[caller.vcpu];
  switch (op) {
    case __HYPERVISOR_set_trap_table:
      return set_trap_table(v, pointer<trap_info_t>(args[0]));
    case __HYPERVISOR_mmu_update:
      return mmu_update(host, *d, caller.vcpu, pointer<mmu_update_t>(args[0]),
                        static_cast<uint32_t>(args[1]), pointer<uint32_t>(args[2]),
                        static_cast<uint32_t>(args[3]));
    case __HYPERVISOR_set_gdt: {
      if (!args[0] && args[1]) return -EFAULT;
      return set_gdt(host, *d, v, pointer<uint64_t>(args[0]), static_cast<uint32_t>(args[1]));
    }
    case __HYPERVISOR_stack_switch:
      return stack_switch(v, args[0], args[1]);
    case __HYPERVISOR_set_callbacks:
      return set_callbacks(v, args[0], args[1], args[2]);
    case __HYPERVISOR_fpu_taskswitch:
      v.context.ctrlreg[0] = (v.context.ctrlreg[0] & ~8ul) | (args[0] ? 8 : 0);
      return 0;
    case __HYPERVISOR_update_descriptor:
      return update_descriptor(host, *d, args[0], args[1]);
    case __HYPERVISOR_memory_op:
      return memory_op(host, *d, static_cast<uint32_t>(args[0]), pointer<void>(args[1]));
    case __HYPERVISOR_multicall:
      return multicall(host, caller, pointer<multicall_entry_t>(args[0]),
                       static_cast<uint32_t>(args[1]));
    case __HYPERVISOR_update_va_mapping:
      return update_va_mapping(host, *d, caller.vcpu, args[0], args[1], args[2], DOMID_SELF);
    case __HYPERVISOR_update_va_mapping_otherdomain:
      return update_va_mapping(host, *d, caller.vcpu, args[0], args[1], args[2],
                               static_cast<uint32_t>(args[3]));
    case __HYPERVISOR_set_timer_op:
      return 0;
    case __HYPERVISOR_xen_version:
      return xen_version(*d, static_cast<int>(args[0]), pointer<void>(args[1]));
    case __HYPERVISOR_grant_table_op:
      return grant_table_op(host, *d, caller.vcpu, static_cast<uint32_t>(args[0]),
                            pointer<void>(args[1]), static_cast<uint32_t>(args[2]));
    case __HYPERVISOR_vm_assist:
      return vm_assist(*d, static_cast<unsigned>(args[0]), static_cast<unsigned>(args[1]));
    case __HYPERVISOR_vcpu_op:
      return vcpu_op(host, *d, caller.vcpu, static_cast<int>(args[0]),
                     static_cast<uint32_t>(args[1]), pointer<void>(args[2]));
    case __HYPERVISOR_set_segment_base:
      return set_segment_base(v, static_cast<unsigned>(args[0]), args[1]);
    case __HYPERVISOR_mmuext_op:
      return mmuext_op(host, *d, caller.vcpu, pointer<mmuext_op_t>(args[0]),
                       static_cast<uint32_t>(args[1]), pointer<uint32_t>(args[2]),
                       static_cast<uint32_t>(args[3]));
    case __HYPERVISOR_sched_op:
      return sched_op(host, *d, caller.vcpu, static_cast<int>(args[0]), pointer<void>(args[1]));
    case __HYPERVISOR_callback_op:
      return callback_op(v, static_cast<int>(args[0]), pointer<void>(args[1]));
    case __HYPERVISOR_event_channel_op:
      return event_channel_op(host, *d, static_cast<int>(args[0]), pointer<void>(args[1]));
    case __HYPERVISOR_physdev_op:
      return args[0] == PHYSDEVOP_set_iopl ? 0 : -ENOSYS;
    case __HYPERVISOR_hvm_op:
      return args[0] == HVMOP_pagetable_dying ? -EINVAL : -ENOSYS;
    case __HYPERVISOR_sysctl:
      return sysctl(host, *d, pointer<xen_sysctl>(args[0]));
    case __HYPERVISOR_domctl:
      return domctl(host, *d, pointer<xen_domctl>(args[0]));
    default:
      return -ENOSYS;
  }
}

long hypercall(Host& host, Caller caller, unsigned op, const uint64_t args[5]) {
  // Of a guest's multicall each entry is a call.
  const bool counts = caller.domid == 0 || op != __HYPERVISOR_multicall;
  const int os_errno = counts ? host.begin_call(kind_of(op, args), caller.domid) : 0;
  HostLock lock(host);
  return os_errno ? failing_call(host, caller, op, args, os_errno)
                  : hypercall_locked(host, caller, op, args);
}

}  // namespace ferry::sim
