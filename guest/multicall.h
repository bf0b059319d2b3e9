// Hypercalls put off and made in one go: one buffer for each vCPU. Freestanding-clean.
//
//   batch()   queue…()   queue…()   issue(mode)     interrupts are off from batch() to issue()
//                                       |
//       made at once, unless the vCPU is in that lazy mode: then they wait for the mode to end,
//       for the buffer to fill up, or for flush()
//
// Adjacent mmu_updates, and adjacent mmuext_ops, share one entry of the multicall. Xen runs all
// entries whatever becomes of them; within one entry it stops at the first request that fails.
// Whoever queued a request is not told: failures() counts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"
#include "guest/machine.h"

namespace ferry {

enum class lazy_mode : uint8_t { none = 0, mmu = 1, cpu = 2 };

struct multicall_failure {
  uint64_t op = 0;     // hypercall number of the first entry that ever failed
  int64_t result = 0;  // and what it gave
};

template <guest_machine Machine>
class multicalls {
 public:
  static constexpr unsigned kEntries = 32;
  static constexpr unsigned kArgumentBytes = kEntries * sizeof(abi::mmu_update);
  static constexpr unsigned kCallbacks = 32;
  using callback = void (*)(void* context, uint64_t argument);

  explicit multicalls(Machine& machine) : machine_(machine) {}
  multicalls(const multicalls&) = delete;
  multicalls& operator=(const multicalls&) = delete;

  void batch() {
    const uint64_t irq = machine_.irq_save();
    if (mine().open) machine_.bug("multicall batch within a batch");
    mine().open = true;
    mine().irq = irq;
  }

  void issue(lazy_mode unless) {
    buffer& b = mine();
    if (!b.open) machine_.bug("multicall batch issued twice");
    if (unless == lazy_mode::none || b.lazy != unless) flush_buffer(b);
    b.open = false;
    machine_.irq_restore(b.irq);
  }

  // entry: a machine address of an entry, with one of abi's sub-commands.
  void queue_mmu_update(uint64_t entry, uint64_t value) {
    const abi::mmu_update request{entry, value};
    queue_request(abi::kMmuUpdate, &request, sizeof request);
  }
  void queue_mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2 = 0) {
    const abi::mmuext_op request{cmd, 0, arg1, arg2};
    queue_request(abi::kMmuextOp, &request, sizeof request);
  }
  void queue_update_va_mapping(uint64_t va, uint64_t value, uint64_t flags) {
    buffer& b = room_for(1, 0);
    b.entries[b.nr_entries++] = {abi::kUpdateVaMapping, 0, {va, value, flags}};
  }
  // Runs once, after everything queued so far was made, whether or not it succeeded.
  void queue_callback(callback function, void* context, uint64_t argument) {
    buffer& b = open_buffer();
    if (b.nr_callbacks == kCallbacks) flush_buffer(b);
    b.callbacks[b.nr_callbacks++] = {function, context, argument};
  }

  // Makes what waits. Not within a batch.
  void flush() {
    const uint64_t irq = machine_.irq_save();
    if (mine().open) machine_.bug("multicall flush within a batch");
    flush_buffer(mine());
    machine_.irq_restore(irq);
  }

  void enter_lazy(lazy_mode mode) {
    if (mine().lazy != lazy_mode::none) machine_.bug("lazy mode within a lazy mode");
    mine().lazy = mode;
  }
  // Nothing waits any more afterwards.
  void leave_lazy(lazy_mode mode) {
    if (mine().lazy != mode) machine_.bug("left a lazy mode that was not entered");
    flush();
    mine().lazy = lazy_mode::none;
  }
  lazy_mode lazy() { return mine().lazy; }

  // Around a context switch. A task can be switched away from in lazy MMU mode, which is its own:
  // it is left, and entered again when the task is switched back to. True if it was; and so for the
  // task that comes.
  [[nodiscard]] bool start_switch() {
    const bool in_lazy_mmu = mine().lazy == lazy_mode::mmu;
    if (in_lazy_mmu) leave_lazy(lazy_mode::mmu);
    enter_lazy(lazy_mode::cpu);
    return in_lazy_mmu;
  }
  void end_switch(bool in_lazy_mmu) {
    leave_lazy(lazy_mode::cpu);
    if (in_lazy_mmu) enter_lazy(lazy_mode::mmu);
  }

  // On any vCPU, for when the others are parked; and on this one.
  bool waiting_anywhere() const {
    for (const buffer& b : buffers_)
      if (b.nr_entries != 0 || b.nr_callbacks != 0) return true;
    return false;
  }
  bool waiting() { return mine().nr_entries != 0 || mine().nr_callbacks != 0; }
  uint64_t failures() const { return failures_; }
  const multicall_failure& first_failure() const { return first_failure_; }

 private:
  struct buffer {
    abi::multicall_entry entries[kEntries];
    alignas(8) unsigned char arguments[kArgumentBytes];
    struct {
      callback function;
      void* context;
      uint64_t argument;
    } callbacks[kCallbacks];
    unsigned nr_entries = 0;
    unsigned argument_bytes = 0;
    unsigned nr_callbacks = 0;
    uint64_t irq = 0;
    bool open = false;
    lazy_mode lazy = lazy_mode::none;
  };

  buffer& mine() { return buffers_[machine_.this_cpu()]; }
  buffer& open_buffer() {
    if (!mine().open) machine_.bug("hypercall queued outside of a batch");
    return mine();
  }

  buffer& room_for(unsigned entries, unsigned bytes) {
    buffer& b = open_buffer();
    if (b.nr_entries + entries > kEntries || b.argument_bytes + bytes > kArgumentBytes)
      flush_buffer(b);
    return b;
  }

  // One more request of an mmu_update or mmuext_op: behind the last entry if that is of its kind.
  void queue_request(unsigned op, const void* request, unsigned bytes) {
    buffer& b = open_buffer();
    const bool extend = b.nr_entries > 0 && b.entries[b.nr_entries - 1].op == op &&
                        b.argument_bytes + bytes <= kArgumentBytes;
    if (!extend) {
      room_for(1, bytes);
      const uint64_t at = reinterpret_cast<uint64_t>(b.arguments + b.argument_bytes);
      b.entries[b.nr_entries++] = {op, 0, {at, 0, 0, abi::kDomidSelf}};
    }
    __builtin_memcpy(b.arguments + b.argument_bytes, request, bytes);
    b.argument_bytes += bytes;
    ++b.entries[b.nr_entries - 1].args[1];
  }

  void flush_buffer(buffer& b) {
    make_calls(b);
    const unsigned nr_callbacks = b.nr_callbacks;
    b.nr_entries = b.argument_bytes = b.nr_callbacks = 0;
    for (unsigned i = 0; i < nr_callbacks; ++i)
      b.callbacks[i].function(b.callbacks[i].context, b.callbacks[i].argument);
  }

  void make_calls(buffer& b) {
    if (b.nr_entries == 0) return;
    if (b.nr_entries == 1) {
      abi::multicall_entry& e = b.entries[0];
      e.result = static_cast<uint64_t>(machine_.hypercall(
          static_cast<unsigned>(e.op), e.args[0], e.args[1], e.args[2], e.args[3], e.args[4]));
    } else if (machine_.hypercall(abi::kMulticall, reinterpret_cast<uint64_t>(b.entries),
                                  b.nr_entries, 0, 0, 0) != 0) {
      machine_.bug("multicall refused");
    }
    for (unsigned i = 0; i < b.nr_entries; ++i) {
      const int64_t result = static_cast<int64_t>(b.entries[i].result);
      if (result >= 0) continue;
      if (__atomic_fetch_add(&failures_, 1, __ATOMIC_RELAXED) == 0)
        first_failure_ = {b.entries[i].op, result};
      machine_.warn("entry of a multicall failed");
    }
  }

  Machine& machine_;
  buffer buffers_[Machine::kMaxCpus];
  uint64_t failures_ = 0;
  multicall_failure first_failure_;
};

}  // namespace ferry
