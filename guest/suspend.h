// Suspend and resume, the guest's side. Freestanding-clean.
//
//   processes frozen, devices quiet, xenstore quiet          suspend(): the kernel's hooks
//     all vCPUs parked, this is vCPU 0, interrupts off
//       grant frames unmapped                                suspend_now()
//       every address space pinned
//       start_info: store and console by pfn
//       shared_info unmapped, a dummy in its place
//         sched_op(shutdown: suspend, mfn of start_info)     saved here, and maybe on another host
//                                                            from here on
//       frame lists written anew, shared_info mapped, p2m published
//       cancelled: start_info by mfn    resumed: vCPUs registered again
//       address spaces unpinned, grant frames mapped
//       resumed: event channels bound again, periodic timers off
//     vCPUs go on
//   console, devices, xenstore, processes
//
// Xen's answer is 0 in a new domain and 1 if the suspend was cancelled, or for a checkpoint: then
// nothing has changed, and nothing but what was undone above may be done. A new domain has other
// frames for everything: whatever number of one the guest remembers is worthless, which is why the
// guest half remembers none.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/core.h"
#include "guest/event_ports.h"
#include "guest/grant_frames.h"
#include "guest/mmu.h"
#include "guest/pin.h"
#include "guest/vcpus.h"

namespace ferry {

enum class suspend_result : uint8_t {
  resumed,    // in a new domain
  cancelled,  // in the old one, as before
  refused,    // Xen did not suspend the guest; as before
  not_tried,  // the kernel could not get ready, or a suspend is going on
};

template <guest_machine Machine>
class suspension {
 public:
  suspension(guest_core<Machine>& core, mmu<Machine>& tables, pinning<Machine>& pins,
             vcpus<Machine>& cpus, event_ports<Machine>& ports, grant_frames<Machine>& grants)
      : core_(core), tables_(tables), pins_(pins), cpus_(cpus), ports_(ports), grants_(grants) {}

  // start_info: the page that the builder made, not a copy. shared_info_va: where shared_info is
  // mapped, in a page table that stays; dummy_va: a page to be seen in its place while it is away.
  void set_pages(pfn_t start_info, uint64_t shared_info_va, uint64_t dummy_va) {
    start_info_ = start_info;
    shared_info_va_ = shared_info_va;
    dummy_va_ = dummy_va;
  }

  // At boot, and on the way back.
  void map_shared_info() {
    const uint64_t address = core_.machine.load(start_info_va() + abi::kStartInfoSharedInfo);
    tables_.set_pte_mfn(shared_info_va_, mfn_of(maddr_t{address}), kKernelReadWrite);
    core_.shared_info_va = shared_info_va_;
  }

  // The part in which nothing else of the kernel runs. On vCPU 0, the others parked with interrupts
  // off, no batch waiting anywhere.
  suspend_result suspend_now() {
    const mfn_t start_info = prepare();
    const uint32_t reason = abi::kShutdownSuspend;
    return proceed(core_.machine.hypercall(abi::kSchedOp, abi::kSchedopShutdown,
                                           reinterpret_cast<uint64_t>(&reason), start_info.raw(), 0,
                                           0));
  }

  // Its two halves, before and after the hypercall, for a kernel whose vCPU 0 does not come back
  // from it where it went in.
  //
  // What the hypercall wants as its third argument: the frame of start_info.
  mfn_t prepare() {
    machine_checks();
    grants_.suspend();
    pins_.pin_all();
    start_info_by_pfn();
    core_.p2m.unpublish();
    core_.shared_info_va = dummy_va_;
    tables_.set_pte_mfn(shared_info_va_, mfn_t(0), 0);
    return core_.p2m.frame_of(start_info_);
  }

  // answer: what the hypercall gave.
  suspend_result proceed(int64_t answer) {
    const bool resumed = answer == 0;
    core_.p2m.rebuild_lists();
    map_shared_info();
    if (resumed) cpus_.mask_shared_slots();
    core_.p2m.publish(core_.shared_info_va);
    if (resumed)
      cpus_.resume();
    else
      start_info_by_mfn();
    pins_.unpin_all();
    grants_.resume();
    if (resumed) {
      ports_.resume();
      cpus_.stop_periodic_timers();
    }
    return resumed      ? suspend_result::resumed
           : answer > 0 ? suspend_result::cancelled
                        : suspend_result::refused;
  }

  // The event channels that the toolstack made for the two rings.
  unsigned store_port() const { return port(abi::kStartInfoStoreEvtchn); }
  unsigned console_port() const { return port(abi::kStartInfoConsoleEvtchn); }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(start_info_), visit(shared_info_va_), visit(dummy_va_), visit(busy_);
  }

  // All of it. Hooks, each the kernel's own work; those that give an int give 0 for done:
  //   int freeze()                  processes and kernel threads; void thaw()
  //   int suspend_devices()         void resume_devices(int cancelled)
  //   void suspend_store()          no request open, none begins; void resume_store(int cancelled,
  //                                 unsigned port): watches and the ring again, unless cancelled
  //   void resume_console(unsigned port)
  //   void stop_machine(void (*function)(void*), void* argument)
  //                                 on vCPU 0, the others parked, interrupts off on all; clocks
  //                                 stop before and go on after it
  template <typename Hooks>
  suspend_result suspend(Hooks& hooks) {
    if (__atomic_exchange_n(&busy_, true, __ATOMIC_ACQUIRE)) return suspend_result::not_tried;
    const suspend_result result = suspend_frozen(hooks);
    __atomic_store_n(&busy_, false, __ATOMIC_RELEASE);
    return result;
  }
  bool busy() const { return __atomic_load_n(&busy_, __ATOMIC_ACQUIRE); }

 private:
  template <typename Hooks>
  suspend_result suspend_frozen(Hooks& hooks) {
    if (hooks.freeze() != 0) return suspend_result::not_tried;
    suspend_result result = suspend_result::not_tried;
    if (hooks.suspend_devices() == 0) {
      hooks.suspend_store();
      attempt now{this, suspend_result::not_tried};
      hooks.stop_machine(run_attempt, &now);
      result = now.result;
      const int cancelled = result != suspend_result::resumed;
      if (!cancelled) hooks.resume_console(console_port());
      hooks.resume_store(cancelled, store_port());
      hooks.resume_devices(cancelled);
    }
    hooks.thaw();
    return result;
  }

  struct attempt {
    suspension* self;
    suspend_result result;
  };
  static void run_attempt(void* argument) {
    attempt& now = *static_cast<attempt*>(argument);
    now.result = now.self->suspend_now();
  }

  void machine_checks() {
    if (core_.machine.this_cpu() != 0) core_.machine.bug("suspend on a vCPU other than 0");
    if (!core_.machine.irqs_masked()) core_.machine.bug("suspend with interrupts on");
    if (core_.calls.waiting_anywhere()) core_.machine.bug("suspend with hypercalls waiting");
  }

  uint64_t start_info_va() const { return core_.machine.va_of(start_info_); }
  unsigned port(uint64_t field) const {
    return static_cast<unsigned>(core_.machine.load(start_info_va() + field) & 0xffffffff);
  }

  // The toolstack finds the two rings by these, and in a new domain writes their new frames there.
  void start_info_by_pfn() {
    for (uint64_t field : kRings) {
      const uint64_t at = start_info_va() + field;
      const uint64_t pfn = core_.p2m.mfn_to_pfn(mfn_t(core_.machine.load(at)));
      if (pfn == kInvalidPfn) core_.machine.bug("ring of start_info is not ours");
      core_.machine.store(at, pfn);
    }
  }
  void start_info_by_mfn() {
    for (uint64_t field : kRings) {
      const uint64_t at = start_info_va() + field;
      core_.machine.store(at, core_.p2m.frame_of(pfn_t(core_.machine.load(at))).raw());
    }
  }
  static constexpr uint64_t kRings[] = {abi::kStartInfoStoreMfn, abi::kStartInfoConsoleMfn};

  guest_core<Machine>& core_;
  mmu<Machine>& tables_;
  pinning<Machine>& pins_;
  vcpus<Machine>& cpus_;
  event_ports<Machine>& ports_;
  grant_frames<Machine>& grants_;
  pfn_t start_info_;
  uint64_t shared_info_va_ = 0;
  uint64_t dummy_va_ = 0;
  bool busy_ = false;
};

}  // namespace ferry
