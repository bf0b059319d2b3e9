// A simulated Xen host: the shared mapping, its lock, its frames and its source of random numbers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sim/machine/faults.h"
#include "sim/machine/layout.h"

namespace ferry::sim {

struct HostConfig {
  uint64_t seed = 1;        // fixes the frame layout and every other choice of the host
  uint64_t frames = 16384;  // machine memory in pages of 4 KiB, at least 2048
  // Log-dirty needs it; Debian's hypervisor is built without.
  bool shadow_paging = true;
  bool linear_page_tables = true;
  FreshPages fresh_pages = FreshPages::poison;
  FrameOrder frame_order = FrameOrder::shuffled;
};

// A call of the toolstack or of a guest, as hooks and fault plans see it.
struct Call {
  uint64_t number;  // counts the calls of one Host object, from 1
  CallKind kind;
  DomainNumber caller;
};

class Host {
 public:
  // A host in memory of this process. Throws ferry::Error when memory cannot be had.
  static std::unique_ptr<Host> create(const HostConfig& config);
  // The same in a file (mode 0600, sparse, must not exist), shared by every process that opens it.
  static std::unique_ptr<Host> create_file(const std::string& path, const HostConfig& config);
  static std::unique_ptr<Host> open_file(const std::string& path);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  HostState& state() { return *state_; }
  const HostState& state() const { return *state_; }

  bool valid(mfn_t mfn) const { return mfn.raw() < state_->max_page && !frames_[mfn.raw()].hole; }
  Frame& frame(mfn_t mfn) { return frames_[mfn.raw()]; }
  mfn_t mfn_of(const Frame& frame) const { return mfn_t(static_cast<uint64_t>(&frame - frames_)); }
  // Contents of a frame: 4096 bytes, the same memory as every mapping of it.
  uint8_t* page(mfn_t mfn) { return memory_ + (mfn.raw() << kPageShift); }
  uint64_t* entries(mfn_t mfn) { return reinterpret_cast<uint64_t*>(page(mfn)); }
  uint64_t& m2p(mfn_t mfn) { return m2p_[mfn.raw()]; }

  // A bit a frame, set when it is free.
  uint64_t* free_bitmap() { return free_; }
  // A bit a pfn; slot of `domain` in HostState::domains.
  uint64_t* dirty_bitmap(const Domain& domain);

  // The domain of that number, dying ones included, or null.
  Domain* find_domain(DomainNumber domid);

  // Where a frame lies in fd(), for mappings of it elsewhere in the process.
  int fd() const { return fd_; }
  uint64_t file_offset(mfn_t mfn) const {
    return state_->memory_offset + (mfn.raw() << kPageShift);
  }

  // Uniform below `bound` (at least 1), from the host's own generator.
  uint64_t random_below(uint64_t bound);

  FaultPlan& faults() { return faults_; }
  // Runs before each call of the toolstack, without the lock: lets a test step its guest in
  // between.
  void set_before_call(std::function<void(const Call&)> hook) { before_call_ = std::move(hook); }
  // The same two for the calls of guests, entries of their multicalls included. The hook may run
  // with the lock held, so it can look, not act.
  FaultPlan& guest_faults() { return guest_faults_; }
  void set_before_guest_call(std::function<void(const Call&)> hook) {
    before_guest_call_ = std::move(hook);
  }
  // Counts the call, runs the hook, asks the fault plan; 0 or the errno to fail with.
  int begin_call(CallKind kind, DomainNumber caller);

  // Runs, with the lock held, when a port of domain 0 becomes pending in this process.
  void set_on_event(std::function<void(uint32_t port)> hook) { on_event_ = std::move(hook); }
  void tell_event(uint32_t port) {
    if (on_event_) on_event_(port);
  }

  void lock();
  void unlock();

 private:
  Host() = default;
  void attach(int fd, uint64_t bytes);
  void lay_out(const HostConfig& config);

  int fd_ = -1;
  HostState* state_ = nullptr;
  Frame* frames_ = nullptr;
  uint8_t* memory_ = nullptr;
  uint64_t* m2p_ = nullptr;
  uint64_t* free_ = nullptr;
  FaultPlan faults_, guest_faults_;
  std::function<void(const Call&)> before_call_, before_guest_call_;
  std::function<void(uint32_t)> on_event_;
};

class HostLock {
 public:
  explicit HostLock(Host& host) : host_(host) { host_.lock(); }
  ~HostLock() { host_.unlock(); }
  HostLock(const HostLock&) = delete;
  HostLock& operator=(const HostLock&) = delete;

 private:
  Host& host_;
};

}  // namespace ferry::sim
