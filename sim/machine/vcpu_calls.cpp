// sched_op, vcpu_op and the calls that set a vCPU's entry points.
#include "sim/machine/vcpu_calls.h"

#include <cerrno>
#include <cstring>

#include "sim/machine/domains.h"
#include "sim/machine/event_channels.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

// The placed structure takes over from the slot in shared_info, everything pending.
int register_vcpu_info(Host& host, Domain& d, uint32_t id, const vcpu_register_vcpu_info_t& reg) {
  Vcpu& v = d.vcpus[id];
  if (reg.offset > kPageSize - sizeof(vcpu_info_t) || (reg.offset & 7)) return -ENXIO;
  if (v.vcpu_info_mfn) return -EINVAL;
  const mfn_t mfn(reg.mfn);
  if (get_page_and_type(host, mfn, d.domid, PageType::writable)) return -EINVAL;
  auto* placed = reinterpret_cast<vcpu_info_t*>(host.page(mfn) + reg.offset);
  if (id < XEN_LEGACY_MAX_VCPUS) {
    const auto* shared = reinterpret_cast<shared_info_t*>(host.page(mfn_t(d.shared_info_mfn)));
    memcpy(static_cast<void*>(placed), &shared->vcpu_info[id], sizeof *placed);
  } else {
    memset(static_cast<void*>(placed), 0, sizeof *placed);
  }
  v.vcpu_info_mfn = mfn.raw();
  v.vcpu_info_offset = reg.offset;
  placed->evtchn_upcall_pending = 1;
  placed->evtchn_pending_sel = ~0ul;
  return 0;
}

}  // namespace

long sched_op(Host& host, Domain& caller, uint32_t vcpu, int command, void* arg) {
  switch (command) {
    case SCHEDOP_yield:
      return 0;
    case SCHEDOP_block:
      caller.vcpus[vcpu].blocked = 1;
      return 0;
    case SCHEDOP_poll:
      return arg ? 0 : -EFAULT;
    case SCHEDOP_shutdown:
      if (!arg) return -EFAULT;
      shut_down(host, caller, static_cast<uint8_t>(static_cast<sched_shutdown_t*>(arg)->reason));
      return 0;
    case SCHEDOP_remote_shutdown: {
      if (!arg) return -EFAULT;
      const auto& remote = *static_cast<sched_remote_shutdown_t*>(arg);
      Domain* d = host.find_domain(remote.domain_id);
      if (!d) return -ESRCH;
      if (!caller.privileged) return -EPERM;
      if (d->domid == 0) return -EINVAL;
      shut_down(host, *d, static_cast<uint8_t>(remote.reason));
      return 0;
    }
    default:
      return -ENOSYS;
  }
}

long vcpu_op(Host& host, Domain& caller, int command, uint32_t id, void* arg) {
  if (id >= caller.max_vcpus || !caller.vcpus[id].exists) return -ENOENT;
  Vcpu& v = caller.vcpus[id];
  switch (command) {
    case VCPUOP_initialise:
      if (!arg) return -EFAULT;
      if (v.initialised) return -EEXIST;
      return set_vcpu_context(host, caller, id, *static_cast<vcpu_guest_context_t*>(arg));
    case VCPUOP_up:
      if (!v.initialised) return -EINVAL;
      v.down = 0;
      return 0;
    case VCPUOP_down:
      v.down = 1;
      return 0;
    case VCPUOP_is_up:
      return !v.down;
    case VCPUOP_register_vcpu_info:
      if (!arg) return -EFAULT;
      return register_vcpu_info(host, caller, id, *static_cast<vcpu_register_vcpu_info_t*>(arg));
    case VCPUOP_register_runstate_memory_area:
      if (!arg) return -EFAULT;
      v.runstate_address = reinterpret_cast<uint64_t>(
          static_cast<vcpu_register_runstate_memory_area_t*>(arg)->addr.v);
      return 0;
    case VCPUOP_stop_periodic_timer:
    case VCPUOP_stop_singleshot_timer:
    case VCPUOP_set_periodic_timer:
    case VCPUOP_set_singleshot_timer:
      return 0;
    default:
      return -ENOSYS;
  }
}

long set_trap_table(Vcpu& v, const trap_info_t* traps) {
  if (!traps) {
    memset(v.context.trap_ctxt, 0, sizeof v.context.trap_ctxt);
    return 0;
  }
  for (; traps->address; ++traps) {
    if (!is_canonical(traps->address)) return -EINVAL;
    trap_info_t& slot = v.context.trap_ctxt[traps->vector];
    slot = *traps;
    slot.cs |= 3;
  }
  return 0;
}

long set_callbacks(Vcpu& v, uint64_t event, uint64_t failsafe, uint64_t syscall) {
  if (!is_canonical(event) || !is_canonical(failsafe) || !is_canonical(syscall)) return -EINVAL;
  v.context.event_callback_eip = event;
  v.context.failsafe_callback_eip = failsafe;
  v.context.syscall_callback_eip = syscall;
  return 0;
}

long callback_op(Vcpu& v, int command, void* arg) {
  if (!arg) return -EFAULT;
  if (command == CALLBACKOP_unregister) {
    const auto type = static_cast<callback_unregister_t*>(arg)->type;
    return type == CALLBACKTYPE_nmi ? 0 : -EINVAL;
  }
  if (command != CALLBACKOP_register) return -ENOSYS;
  const auto& reg = *static_cast<callback_register_t*>(arg);
  if (!is_canonical(reg.address)) return -EINVAL;
  switch (reg.type) {
    case CALLBACKTYPE_event:
      v.context.event_callback_eip = reg.address;
      return 0;
    case CALLBACKTYPE_failsafe:
      v.context.failsafe_callback_eip = reg.address;
      return 0;
    case CALLBACKTYPE_syscall:
      v.context.syscall_callback_eip = reg.address;
      return 0;
    case CALLBACKTYPE_syscall32:
      v.ext.syscall32_callback_eip = reg.address;
      return 0;
    case CALLBACKTYPE_sysenter:
      v.ext.sysenter_callback_eip = reg.address;
      return 0;
    case CALLBACKTYPE_nmi:
      return 0;
    default:
      return -ENOSYS;
  }
}

long stack_switch(Vcpu& v, uint64_t ss, uint64_t sp) {
  if (!is_canonical(sp)) return -EINVAL;
  v.context.kernel_ss = ss | 3;
  v.context.kernel_sp = sp;
  return 0;
}

long set_segment_base(Vcpu& v, unsigned which, uint64_t base) {
  if (which != SEGBASE_GS_USER_SEL && !is_canonical(base)) return -EINVAL;
  switch (which) {
    case SEGBASE_FS:
      v.context.fs_base = base;
      return 0;
    case SEGBASE_GS_USER:
      v.context.gs_base_user = base;
      return 0;
    case SEGBASE_GS_KERNEL:
      v.context.gs_base_kernel = base;
      return 0;
    case SEGBASE_GS_USER_SEL:
      return 0;
    default:
      return -EINVAL;
  }
}

long vm_assist(Domain& d, unsigned command, unsigned type) {
  if (type > VMASST_TYPE_runstate_update_flag && type != VMASST_TYPE_m2p_strict) return -EINVAL;
  const uint64_t bit = uint64_t{1} << type;
  switch (command) {
    case VMASST_CMD_enable:
      d.vm_assist |= bit;
      return 0;
    case VMASST_CMD_disable:
      d.vm_assist &= ~bit;
      return 0;
    default:
      return -ENOSYS;
  }
}

}  // namespace ferry::sim
