// The guests that saves and restores are tried on: scratch guests, whose memory is anything a
// guest's can be, and guests with a kernel, which go on.
#pragma once

#include <memory>

#include "sim/kernel/kernel_builder.h"
#include "sim/kernel/sim_kernel.h"
#include "tests/engine/toolstack.h"

namespace ferry::sim {

// A guest that runs on a host under the name "web1".
class Subject {
 public:
  virtual ~Subject() = default;

  Host& host() const { return host_; }
  uint32_t domid() const { return domid_; }
  const GuestHooks& hooks() const { return hooks_; }
  // Of the host, once this guest is destroyed.
  uint64_t free_pages_without() const { return free_pages_; }

  // To be called when the engine has ended, whatever the guest does then.
  virtual void engine_ended() {}

  // Each tells gtest what is wrong.
  virtual void expect_intact() = 0;   // where it was, suspended or resumed
  virtual void expect_goes_on() = 0;  // the same, running
  // In a new domain on another host, running.
  virtual void expect_arrived(Host& target, const RestoredGuest& guest) = 0;

 protected:
  explicit Subject(Host& host) : host_(host), free_pages_(host.state().free_pages) {}

  Host& host_;
  uint64_t free_pages_;
  uint32_t domid_ = 0;
  GuestHooks hooks_;
};

class ScratchSubject final : public Subject {
 public:
  ScratchSubject(Host& host, const GuestSpec& spec);
  void refuse_to_suspend() {
    hooks_.asked_to_suspend = [](domid_t) {};
  }

  void expect_intact() override;
  void expect_goes_on() override {}  // it does nothing when it runs
  void expect_arrived(Host& target, const RestoredGuest& guest) override;

 private:
  ScratchGuest guest_;
  GuestView before_;
};

class KernelSubject final : public Subject {
 public:
  // It has run for that many steps; a neighbour grants it frames.
  KernelSubject(Host& host, const KernelSpec& spec, unsigned steps);

  // The guest does a step, if it runs and has not yet been suspended.
  void step();

  void engine_ended() override;
  void expect_intact() override;
  void expect_goes_on() override;
  void expect_arrived(Host& target, const RestoredGuest& guest) override;

 private:
  void suspend();

  std::unique_ptr<SimKernel> kernel_;
  bool was_suspended_ = false;
  // Of the suspended guest, as the engine left it.
  std::optional<ScratchGuest> description_;
  GuestView at_suspension_;
  uint64_t checksum_ = 0, ticks_ = 0;
};

}  // namespace ferry::sim
