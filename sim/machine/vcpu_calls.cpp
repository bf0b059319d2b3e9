// sched_op, vcpu_op and the calls that set a vCPU's entry points.
#include "sim/machine/vcpu_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/machine/domains.h"
#include "sim/machine/event_channels.h"
#include "sim/machine/guest_access.h"
#include "sim/machine/log_dirty.h"
#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"
#include "sim/machine/release.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

// The placed structure takes over from the slot in shared_info, everything pending.
int register_vcpu_info(Host& host, Domain& d, uint32_t id, const vcpu_register_vcpu_info_t& reg) {
  Vcpu& v = d.vcpus[id];
  if (reg.offset > kPageSize - sizeof(vcpu_info_t) || (reg.offset & 7)) return -ENXIO;
  if (v.vcpu_info_mfn) return release().vcpu_info_again;
  const mfn_t mfn(reg.mfn);
  if (!get_page(host, mfn, d.domid)) return -EINVAL;
  if (get_page_type(host, mfn, PageType::writable)) {
    put_page(host, mfn);
    return release().vcpu_info_in_a_table;
  }
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

// What Xen copies to an address of the guest's that it was given once: where nothing is mapped,
// nothing.
void copy_to_guest(Host& host, const Vcpu& current, uint64_t va, const void* from, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const uint64_t at = va + done;
    const size_t n = std::min<size_t>(bytes - done, kPageSize - at % kPageSize);
    mfn_t mfn;
    if (!translate(host, current, at, mfn)) return;
    memcpy(host.page(mfn) + at % kPageSize, static_cast<const uint8_t*>(from) + done, n);
    mark_dirty(host, mfn);
    done += n;
  }
}

// Nobody measures how long a simulated vCPU was in which state.
vcpu_runstate_info_t runstate_of(const Host& host, const Vcpu& v, const Vcpu& current) {
  vcpu_runstate_info_t info{};
  info.state = &v == &current ? RUNSTATE_running
               : v.down       ? RUNSTATE_offline
               : v.blocked    ? RUNSTATE_blocked
                              : RUNSTATE_runnable;
  info.state_entry_time = host.state().nanoseconds;
  return info;
}

// It is brought up to date now and not later: there is no scheduler.
int register_runstate(Host& host, Vcpu& v, const Vcpu& current, uint64_t va) {
  if (!is_guest_address(va)) return -EFAULT;
  v.runstate_address = va;
  const vcpu_runstate_info_t info = runstate_of(host, v, current);
  copy_to_guest(host, current, va, &info, sizeof info);
  return 0;
}

constexpr uint64_t kShortestPeriod = 1000000;                 // ns
constexpr uint64_t kLongestPeriod = (uint64_t{1} << 63) - 1;  // of Xen's own time, which is signed

// There is no clock that would let a timer end; only what is refused is modelled.
int set_periodic_timer(const vcpu_set_periodic_timer_t& timer) {
  return timer.period_ns < kShortestPeriod || timer.period_ns >= kLongestPeriod ? -EINVAL : 0;
}

constexpr unsigned kMostPolledPorts = 128;

int poll(const Domain& d, const sched_poll_t& poll) {
  if (poll.nr_ports > kMostPolledPorts) return -EINVAL;
  for (unsigned i = 0; i < poll.nr_ports; ++i)
    if (poll.ports.p[i] > d.max_port) return -EINVAL;
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
      return arg ? poll(caller, *static_cast<sched_poll_t*>(arg)) : -EFAULT;
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

long vcpu_op(Host& host, Domain& caller, uint32_t current, int command, uint32_t id, void* arg) {
  if (id >= caller.max_vcpus || !caller.vcpus[id].exists) return -ENOENT;
  Vcpu& v = caller.vcpus[id];
  const Vcpu& own = caller.vcpus[current];
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
      return register_runstate(host, v, own,
                               static_cast<vcpu_register_runstate_memory_area_t*>(arg)->addr.p);
    case VCPUOP_get_runstate_info:
      if (!arg) return -EFAULT;
      *static_cast<vcpu_runstate_info_t*>(arg) = runstate_of(host, v, own);
      return 0;
    case VCPUOP_set_periodic_timer:
      return arg ? set_periodic_timer(*static_cast<vcpu_set_periodic_timer_t*>(arg)) : -EFAULT;
    case VCPUOP_stop_periodic_timer:
      return 0;
    case VCPUOP_set_singleshot_timer:
    case VCPUOP_stop_singleshot_timer:
      return id == current ? 0 : -EINVAL;
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
  // Each for itself, and Xen tells nobody which of them it did not like.
  if (is_canonical(event)) v.context.event_callback_eip = event;
  if (is_canonical(failsafe)) v.context.failsafe_callback_eip = failsafe;
  if (is_canonical(syscall)) v.context.syscall_callback_eip = syscall;
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

// Xen looks at the address when it uses it.
long stack_switch(Vcpu& v, uint64_t ss, uint64_t sp) {
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
