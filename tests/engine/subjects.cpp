// The guests that saves and restores are tried on.
#include "tests/engine/subjects.h"

#include <gtest/gtest.h>

#include "sim/builder/compare.h"
#include "sim/builder/describe.h"
#include "sim/kernel/neighbour.h"
#include "tests/kernel/invariants.h"

namespace ferry::sim {

namespace {

constexpr unsigned kStepsAfterwards = 25;

std::string first_of(const std::vector<std::string>& sentences) {
  return sentences.empty() ? "" : sentences.front();
}

// As it was before, byte by byte; it may have been resumed since.
void expect_same(const ScratchGuest& description, const GuestView& before, Host& host,
                 uint32_t domid) {
  const GuestView now = without_suspend_result(view_guest(host, static_cast<DomainNumber>(domid)));
  EXPECT_EQ(first_of(compare_views(description, before, now)), "");
}

void expect_same_elsewhere(const ScratchGuest& description, const GuestView& before, Host& target,
                           const RestoredGuest& guest) {
  const auto domid = static_cast<DomainNumber>(raw(guest.domid));
  EXPECT_EQ(first_of(compare_restored(description, before, target, domid, kFerryRules)), "");
  EXPECT_EQ(target.m2p(guest.store_mfn), description.store_ring);
  EXPECT_EQ(target.m2p(guest.console_mfn), description.console_ring);
}

// p2m entries are stored, page tables pinned and changed, frames ballooned: whatever a kernel does.
void expect_lives(SimKernel& kernel) {
  try {
    const uint64_t ticks = kernel.ticks();
    kernel.run(kStepsAfterwards);
    EXPECT_EQ(kernel.ticks(), ticks + kStepsAfterwards) << "the guest does not run";
    EXPECT_EQ(first_of(kernel.check_memory()), "");
    EXPECT_EQ(first_of(broken_invariants(kernel)), "");
  } catch (const KernelCrash& e) {
    ADD_FAILURE() << "the guest crashed: " << e.what();
  }
}

}  // namespace

ScratchSubject::ScratchSubject(Host& host, const GuestSpec& spec)
    : Subject(host), guest_(build_running_guest(host, spec, "web1")) {
  domid_ = guest_.domid;
  hooks_ = scratch_guests(host);
  before_ = without_suspend_result(view_guest(host, guest_.domid));
}

void ScratchSubject::expect_intact() {
  expect_same(guest_, before_, host_, domid_);
}

void ScratchSubject::expect_arrived(Host& target, const RestoredGuest& guest) {
  expect_same_elsewhere(guest_, before_, target, guest);
}

KernelSubject::KernelSubject(Host& host, const KernelSpec& spec, unsigned steps)
    : Subject(host), kernel_(SimKernel::create(host, spec)) {
  const uint64_t before_neighbour = host.state().free_pages;
  const sim::Neighbour neighbour = make_neighbour(host, kernel_->domid(), spec.seed);
  kernel_->set_neighbour(neighbour.domid, neighbour.first_reference, neighbour.references);
  free_pages_ -= before_neighbour - host.state().free_pages;
  domid_ = kernel_->domid();
  name_domain(host, domid_, "web1");
  hooks_.asked_to_suspend = [this](domid_t) { suspend(); };
  hooks_.resumed = [](domid_t) {};
  kernel_->run(steps);
}

void KernelSubject::step() {
  if (was_suspended_) return;
  try {
    kernel_->step();
  } catch (const KernelCrash& e) {
    ADD_FAILURE() << "the guest crashed: " << e.what();
  }
}

void KernelSubject::suspend() {
  was_suspended_ = true;
  kernel_->suspend();
  checksum_ = kernel_->checksum();
  ticks_ = kernel_->ticks();
}

// Not earlier: what a guest has given back stays its own as long as somebody maps it.
void KernelSubject::engine_ended() {
  if (!was_suspended_) return;
  at_suspension_ = view_guest(host_, kernel_->domid());
  description_ = describe_guest(host_, kernel_->domid(), at_suspension_);
}

void KernelSubject::expect_intact() {
  if (description_) expect_same(*description_, at_suspension_, host_, domid_);
}

void KernelSubject::expect_goes_on() {
  expect_lives(*kernel_);
  EXPECT_EQ(kernel_->cancels(), was_suspended_ ? 1u : 0u);
}

void KernelSubject::expect_arrived(Host& target, const RestoredGuest& guest) {
  expect_same_elsewhere(*description_, at_suspension_, target, guest);
  const auto kernel = SimKernel::attach(target, static_cast<DomainNumber>(raw(guest.domid)));
  EXPECT_EQ(kernel->checksum(), checksum_);
  EXPECT_EQ(kernel->ticks(), ticks_);
  expect_lives(*kernel);
  EXPECT_EQ(kernel->resumes(), 1u);
}

}  // namespace ferry::sim
