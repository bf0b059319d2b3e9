// Fault injection: any call of the toolstack can be made to fail, by number, by kind or by chance.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace ferry::sim {

// Every kind of call that can fail by itself. A fault makes it fail before it does anything, except
// where noted.
enum class CallKind : uint8_t {
  open,          // xencall_open, xenforeignmemory_open, xenevtchn_open
  alloc_buffer,  // a hypercall buffer
  domctl_create,
  domctl_life,        // pause, unpause, resume, destroy, max_vcpus, max_mem and their like
  domctl_info,        // getdomaininfo, getvcpuinfo, address size, TSC
  domctl_page_types,  // getpageframeinfo3
  domctl_shadow,      // log-dirty
  domctl_vcpu_get,
  domctl_vcpu_set,
  domctl_policy,
  sysctl,
  version,
  memory_populate,  // may do a part first
  memory_other,
  mmu_update,
  mmuext_op,
  event_channel,
  grant_table,
  sched_op,
  other_hypercall,
  map_foreign,       // the whole call
  map_foreign_page,  // one page of it, through err[]
  map_resource,
  unmap,         // counted, never failed: munmap of a good mapping cannot fail
  event_device,  // xenevtchn_bind_*, _notify, _unmask
  kinds,         // how many there are
};

std::string_view name_of(CallKind kind);

// Which calls fail. Deterministic: the same plan over the same calls fails the same ones.
class FaultPlan {
 public:
  FaultPlan() = default;

  // Forgets every plan and count.
  void clear();
  // Fails the call with that number among all calls of the host, counted from 1 since clear().
  void fail_call(uint64_t number, int os_errno = 0);
  // Fails the nth call (from 1) of that kind.
  void fail_nth(CallKind kind, uint64_t nth, int os_errno = 0);
  // Fails each call with that chance, in millionths.
  void fail_by_chance(uint32_t millionths, uint64_t seed);
  // Fails each call of that kind with that chance.
  void fail_by_chance(CallKind kind, uint32_t millionths, uint64_t seed);

  // Counts a call of that kind; the errno it must fail with, or 0.
  int next(CallKind kind);

  uint64_t calls() const;  // since clear()
  uint64_t calls(CallKind kind) const;
  uint64_t failures() const;                     // how many were made to fail
  CallKind kind_of_call(uint64_t number) const;  // among the calls since clear()

 private:
  struct One {
    bool by_kind;
    CallKind kind;
    uint64_t nth;
    int os_errno;
  };
  mutable std::mutex mutex_;
  std::vector<One> planned_;
  std::array<uint32_t, static_cast<size_t>(CallKind::kinds)> chance_{};
  uint64_t random_ = 0;
  uint64_t calls_ = 0;
  uint64_t failures_ = 0;
  std::array<uint64_t, static_cast<size_t>(CallKind::kinds)> of_kind_{};
  std::vector<CallKind> history_;
};

}  // namespace ferry::sim
