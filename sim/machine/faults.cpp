// Fault injection: which call fails with which errno.
#include "sim/machine/faults.h"

#include <cerrno>

#include "sim/machine/random.h"

namespace ferry::sim {

namespace {

struct KindFacts {
  std::string_view name;
  int usual_errno;  // what this kind of call most likely fails with on a host
};

constexpr std::array<KindFacts, static_cast<size_t>(CallKind::kinds)> kKinds = {{
    {"open", ENOENT},
    {"alloc_buffer", ENOMEM},
    {"domctl_create", ENOMEM},
    {"domctl_life", EINVAL},
    {"domctl_info", ESRCH},
    {"domctl_page_types", EFAULT},
    {"domctl_shadow", ENOMEM},
    {"domctl_vcpu_get", EINVAL},
    {"domctl_vcpu_set", EINVAL},
    {"domctl_policy", EINVAL},
    {"sysctl", EPERM},
    {"version", EPERM},
    {"memory_populate", ENOMEM},
    {"memory_other", EINVAL},
    {"mmu_update", EINVAL},
    {"mmuext_op", ENOMEM},  // EINVAL would be a verdict on a page table
    {"event_channel", ENOSPC},
    {"grant_table", EINVAL},
    {"sched_op", EINVAL},
    {"other_hypercall", ENOSYS},
    {"map_foreign", ENOMEM},
    {"map_foreign_page", EINVAL},
    {"map_resource", ENOMEM},
    {"unmap", EINVAL},
    {"event_device", EINVAL},
}};

constexpr size_t kMaxHistory = 1 << 20;

}  // namespace

std::string_view name_of(CallKind kind) {
  return kKinds[static_cast<size_t>(kind)].name;
}

void FaultPlan::clear() {
  std::lock_guard guard(mutex_);
  planned_.clear();
  chance_ = {};
  calls_ = 0;
  failures_ = 0;
  of_kind_ = {};
  history_.clear();
}

void FaultPlan::fail_call(uint64_t number, int os_errno) {
  std::lock_guard guard(mutex_);
  planned_.push_back({false, CallKind::kinds, number, os_errno});
}

void FaultPlan::fail_nth(CallKind kind, uint64_t nth, int os_errno) {
  std::lock_guard guard(mutex_);
  planned_.push_back({true, kind, nth, os_errno});
}

void FaultPlan::fail_by_chance(uint32_t millionths, uint64_t seed) {
  std::lock_guard guard(mutex_);
  chance_.fill(millionths);
  random_ = seed;
}

void FaultPlan::fail_by_chance(CallKind kind, uint32_t millionths, uint64_t seed) {
  std::lock_guard guard(mutex_);
  chance_[static_cast<size_t>(kind)] = millionths;
  random_ = seed;
}

int FaultPlan::next(CallKind kind) {
  std::lock_guard guard(mutex_);
  const auto k = static_cast<size_t>(kind);
  ++of_kind_[k];
  if (kind != CallKind::map_foreign_page) {  // pages are numbered within their kind only
    ++calls_;
    if (history_.size() < kMaxHistory) history_.push_back(kind);
  }
  if (kind == CallKind::unmap) return 0;
  for (const One& one : planned_) {
    const bool hit = one.by_kind ? one.kind == kind && one.nth == of_kind_[k]
                                 : kind != CallKind::map_foreign_page && one.nth == calls_;
    if (!hit) continue;
    ++failures_;
    return one.os_errno ? one.os_errno : kKinds[k].usual_errno;
  }
  if (chance_[k] && next_random(random_) % 1'000'000 < chance_[k]) {
    ++failures_;
    return kKinds[k].usual_errno;
  }
  return 0;
}

uint64_t FaultPlan::calls() const {
  std::lock_guard guard(mutex_);
  return calls_;
}

uint64_t FaultPlan::calls(CallKind kind) const {
  std::lock_guard guard(mutex_);
  return of_kind_[static_cast<size_t>(kind)];
}

uint64_t FaultPlan::failures() const {
  std::lock_guard guard(mutex_);
  return failures_;
}

CallKind FaultPlan::kind_of_call(uint64_t number) const {
  std::lock_guard guard(mutex_);
  return number >= 1 && number <= history_.size() ? history_[number - 1] : CallKind::kinds;
}

}  // namespace ferry::sim
