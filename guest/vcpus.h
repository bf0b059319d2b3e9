// What Xen shares with each vCPU: its vcpu_info, with the address of its last page fault, and its
// runstate. Freestanding-clean.
//
// A vcpu_info begins in shared_info (the first 32 vCPUs) and can be placed elsewhere once, by
// registering it. Xen then copies it and uses the new place only. A new domain knows of no
// registration, so after a resume each has to be made again, and until then Xen uses shared_info.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/core.h"

namespace ferry {

template <guest_machine Machine>
class vcpus {
 public:
  explicit vcpus(guest_core<Machine>& core) : core_(core) {}

  // A vCPU there can be, and where the kernel wants its vcpu_info (64 bytes) and, unless 0, its
  // runstate. False if the vcpu_info is not aligned to 64 bytes: it could lie across two pages.
  [[nodiscard]] bool add(unsigned cpu, uint64_t vcpu_info_va, uint64_t runstate_va) {
    if (cpu >= Machine::kMaxCpus || vcpu_info_va % abi::kVcpuInfoSize != 0) return false;
    vcpu& v = vcpus_[cpu];
    v.possible = true;
    v.wanted_va = vcpu_info_va;
    v.runstate_va = runstate_va;
    return true;
  }

  // Registers both with Xen: for the vCPU itself, or one that is not up. False if the vcpu_info
  // stays in shared_info.
  bool setup(unsigned cpu) {
    register_runstate(cpu);
    return place(cpu, false);
  }
  // No vCPU but those added so far is ever there.
  void all_added() { complete_ = true; }
  // Is every possible vCPU's vcpu_info where the kernel wanted it? Only then may cr2 be read
  // directly.
  bool all_placed() const {
    if (!complete_) return false;
    for (const vcpu& v : vcpus_)
      if (v.possible && !v.placed) return false;
    return true;
  }

  // The linear address of this vCPU's last page fault: valid until the next one.
  uint64_t read_cr2() const { return core_.machine.load(info_va(me()) + abi::kVcpuInfoCr2); }
  uint64_t read_cr2_direct() const {
    if (!vcpus_[me()].placed) core_.machine.bug("cr2 read directly before vcpu_info was placed");
    return core_.machine.load(vcpus_[me()].wanted_va + abi::kVcpuInfoCr2);
  }
  void write_cr2(uint64_t va) { core_.machine.store(info_va(me()) + abi::kVcpuInfoCr2, va); }

  // Where Xen keeps a vCPU's vcpu_info at this time.
  uint64_t info_va(unsigned cpu) const {
    if (vcpus_[cpu].placed) return vcpus_[cpu].wanted_va;
    if (cpu >= abi::kLegacyMaxVcpus) core_.machine.bug("vCPU has no vcpu_info yet");
    return core_.shared_info_va + cpu * abi::kVcpuInfoSize;
  }

  // shared_info came with what the source's slots held at its boot. Whether events are delivered
  // once a vcpu_info is placed is taken from there, and it is too early for any.
  void mask_shared_slots() {
    for (unsigned cpu = 0; cpu < abi::kLegacyMaxVcpus; ++cpu)
      core_.machine.store_byte(
          core_.shared_info_va + cpu * abi::kVcpuInfoSize + abi::kVcpuInfoUpcallMask, 1);
  }

  // After a resume in a new domain: everything registered again, for every vCPU there can be, the
  // ones that are not online too. A vCPU has to be down for another one to do it.
  void resume() {
    for (unsigned cpu = 0; cpu < Machine::kMaxCpus; ++cpu) {
      if (!vcpus_[cpu].possible) continue;
      const bool restart = cpu != me() && op(abi::kVcpuopIsUp, cpu, nullptr) > 0;
      if (restart) core_.must(op(abi::kVcpuopDown, cpu, nullptr), "vCPU does not go down");
      register_runstate(cpu);
      place(cpu, true);
      if (restart) core_.must(op(abi::kVcpuopUp, cpu, nullptr), "vCPU does not come up");
    }
  }

  // In a new domain each vCPU begins with a ticker that nobody wants.
  void stop_periodic_timers() {
    for (unsigned cpu = 0; cpu < Machine::kMaxCpus; ++cpu)
      if (vcpus_[cpu].possible && core_.machine.cpu_online(cpu))
        core_.must(op(abi::kVcpuopStopPeriodicTimer, cpu, nullptr), "periodic timer does not stop");
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(vcpus_), visit(complete_);
  }

 private:
  struct vcpu {
    bool possible = false;
    bool placed = false;
    uint64_t wanted_va = 0;
    uint64_t runstate_va = 0;
  };

  unsigned me() const { return core_.machine.this_cpu(); }

  int64_t op(uint64_t cmd, unsigned cpu, const void* argument) {
    return core_.machine.hypercall(abi::kVcpuOp, cmd, cpu, reinterpret_cast<uint64_t>(argument), 0,
                                   0);
  }

  void register_runstate(unsigned cpu) {
    if (vcpus_[cpu].runstate_va == 0) return;
    const abi::register_runstate area{vcpus_[cpu].runstate_va};
    core_.must(op(abi::kVcpuopRegisterRunstate, cpu, &area), "runstate area refused");
  }

  // again: it was placed before a suspend. If the toolstack let the same domain go on without
  // telling, Xen still has the registration and says so: EINVAL up to 4.17, later EBUSY.
  bool place(unsigned cpu, bool again) {
    vcpu& v = vcpus_[cpu];
    const bool was_placed = again && v.placed;
    v.placed = false;
    const uint64_t at = core_.machine_address_of(v.wanted_va);
    const abi::register_vcpu_info info{at >> kPageShift,
                                       static_cast<uint32_t>(at & (kPageSize - 1)), 0};
    const int64_t result = op(abi::kVcpuopRegisterVcpuInfo, cpu, &info);
    const bool stands = result == -abi::kEinval || result == -abi::kEbusy;
    v.placed = result == 0 || (was_placed && stands);
    return v.placed;
  }

  guest_core<Machine>& core_;
  vcpu vcpus_[Machine::kMaxCpus];
  bool complete_ = false;
};

}  // namespace ferry
